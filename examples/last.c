/* last.c - sends a message and prints the log from there on, with nothing but a socket.
 *
 *     cc -o last examples/last.c && ./last SOCKET "a message" COUNT
 *
 * Requests and replies are JSON, one object a line; a program that writes fixed requests and needs only the
 * lines that come back does without a JSON library. The message must need no escapes.                      */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static FILE *connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) return NULL;
    return fdopen(fd, "r+");
}

int main(int count, char **words)
{
    static char line[1 << 16];
    if (count != 4) {
        fprintf(stderr, "usage: last SOCKET MESSAGE COUNT\n");
        return 2;
    }
    FILE *px = connect_to(words[1]);
    if (!px) {
        perror(words[1]);
        return 1;
    }
    /* The reply comes when a majority has the message on disk: {"ok":true,"index":7}. */
    fprintf(px, "{\"op\":\"send\",\"data\":\"%s\"}\n", words[2]);
    fflush(px);
    if (!fgets(line, sizeof line, px)) return 1;
    const char *index = strstr(line, "\"index\":");
    if (!index) {
        fputs(line, stderr); /* {"ok":false,"error":"...","message":"..."} */
        return 1;
    }
    /* From there on: {"index":7,"from":"px1.example","time":...,"data":"a message"}, a line a message. */
    const unsigned long long first = strtoull(index + strlen("\"index\":"), NULL, 10);
    const unsigned long long last = first + strtoull(words[3], NULL, 10) - 1;
    fseek(px, 0, SEEK_CUR); /* C wants it between reading and writing */
    fprintf(px, "{\"op\":\"follow\",\"from\":%llu,\"until\":%llu}\n", first, last);
    fflush(px);
    for (unsigned long long at = first; at <= last && fgets(line, sizeof line, px); at++) fputs(line, stdout);
    return fclose(px) ? 1 : 0;
}
