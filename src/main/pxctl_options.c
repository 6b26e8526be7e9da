/* pxctl_options.c - the words of a command line. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

px_exit px_usage_fault(const px_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pxctl: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see pxctl %s%s--help\n", command ? command->name : "", command ? " " : "");
    return PX_EXIT_USAGE;
}

px_exit px_say_failed(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pxctl: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return PX_EXIT_FAILED;
}

bool px_number_read(const char *text, px_span span, uint64_t *number)
{
    uint64_t read = 0;
    if (*text == '\0') return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        const uint64_t digit = (uint64_t)(*text - '0');
        if (read > (UINT64_MAX - digit) / 10) return false;
        read = read * 10 + digit;
    }
    if (read < span.least || read > span.most) return false;
    *number = read;
    return true;
}

/* The value that follows `name` in the word, behind `=`; NULL where the word is another, empty where none
 * follows. */
static const char *match(const char *word, const char *name)
{
    const size_t size = strlen(name);
    if (strncmp(word, name, size) != 0) return NULL;
    if (word[size] == '\0') return word + size;
    return word[size] == '=' && name[1] == '-' ? word + size : NULL;
}

static const px_option *find(const px_option *options, const char *word, const char **rest)
{
    for (; options->name; options++) {
        *rest = match(word, options->name);
        if (*rest) return options;
    }
    return NULL;
}

static void print_help(const px_command *command)
{
    printf("usage: pxctl [-c CONFIG | -s SOCKET] %s%s%s\n\n%s\n", command->name, command->words[0] ? " " : "",
           command->words, command->help);
}

bool px_options_read(const px_command *command, const px_option *options, px_target *target, int *count,
                     char **words, px_exit *status)
{
    const px_option common[] = {{"-s", NULL, &target->socket},
                                {"-c", NULL, &target->config},
                                {NULL, NULL, NULL}};
    int plain_count = 0;
    bool is_plain = false;
    *status = PX_EXIT_USAGE;
    for (int i = 0; i < *count; i++) {
        char *word = words[i];
        const char *rest = NULL;
        if (is_plain || word[0] != '-' || word[1] == '\0') {
            words[plain_count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            is_plain = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(command);
            *status = PX_EXIT_DONE;
            return false;
        }
        const px_option *option = find(common, word, &rest);
        if (!option) option = find(options, word, &rest);
        if (!option) return (void)px_usage_fault(command, "unknown option %s", word), false;
        if (option->flag && *rest)
            return (void)px_usage_fault(command, "%s takes no value", option->name), false;
        if (option->flag) {
            *option->flag = true;
            continue;
        }
        if (!*rest && i + 1 == *count) return (void)px_usage_fault(command, "%s needs a value", word), false;
        *option->text = *rest ? rest + 1 : words[++i];
    }
    *count = plain_count;
    return true;
}
