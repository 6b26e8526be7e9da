# complete.bash - what bash offers for the last of these words: complete.bash COMPLETION WORD...
# SPDX-License-Identifier: Apache-2.0
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
# Outside of a real completion there are no options of one to set.
compopt() { :; }
_pxctl
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
