/* config_check.c - can what the configuration names be used? */
// SPDX-License-Identifier: Apache-2.0
#include "main/config_check.h"

#include "main/config_reader.h"
#include "quic/certificate_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that must be there, be a file and be readable: its first byte is read, since a folder opens too. */
static bool check_file(px_reader *reader, const char *key, const char *path)
{
    char byte;
    const size_t mark = px_reader_enter(reader, key);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return px_reader_fail(reader, "\"%.300s\" cannot be opened: %s; name a PEM file that px may read",
                              path, strerror(errno));
    }
    const ssize_t got = read(fd, &byte, 1);
    const int code = errno;
    close(fd);
    if (got < 0) {
        return px_reader_fail(reader, "\"%.300s\" cannot be read: %s; name a PEM file that px may read", path,
                              strerror(code));
    }
    if (got == 0) return px_reader_fail(reader, "\"%.300s\" is empty; name a PEM file", path);
    px_reader_leave(reader, mark);
    return true;
}

/* A path that must be free or be of that kind already. */
static bool check_kind(px_reader *reader, const char *key, const char *path, mode_t kind, const char *word)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        if (errno == ENOENT) return true;
        px_reader_enter(reader, key);
        return px_reader_fail(reader, "\"%.300s\" cannot be looked at: %s; choose a path that px may use",
                              path, strerror(errno));
    }
    if ((found.st_mode & S_IFMT) == kind) return true;
    px_reader_enter(reader, key);
    return px_reader_fail(reader,
                          "\"%.300s\" is there already and is no %s; move it away or choose another path",
                          path, word);
}

static bool check_pipes(px_reader *reader, const px_config *config)
{
    const size_t mark = px_reader_enter(reader, "pipes");
    for (uint32_t i = 0; i < config->pipe_count; i++) {
        const px_config_pipe *pipe = &config->pipes[i];
        const size_t item = px_reader_enter_item(reader, i);
        if (pipe->in && !check_kind(reader, "in", pipe->in, S_IFIFO, "FIFO")) return false;
        if (pipe->out && !check_kind(reader, "out", pipe->out, S_IFIFO, "FIFO")) return false;
        px_reader_leave(reader, item);
    }
    px_reader_leave(reader, mark);
    return true;
}

static bool check_certificates(px_reader *reader, const px_config *config)
{
    static const char *const keys[] = {
        [PX_TLS_FILE_CERT] = "cert_path", [PX_TLS_FILE_KEY] = "key_path", [PX_TLS_FILE_CA] = "ca_cert_path"};
    const char *const paths[] = {[PX_TLS_FILE_CERT] = config->cert_path,
                                 [PX_TLS_FILE_KEY] = config->key_path,
                                 [PX_TLS_FILE_CA] = config->ca_cert_path};
    px_tls_fault wrong;
    const size_t mark = px_reader_enter(reader, "me.tls_config_info");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!check_file(reader, keys[i], paths[i])) return false;
    }
    if (px_tls_check(config->cert_path, config->key_path, config->ca_cert_path, config->id, NULL, &wrong)) {
        px_reader_enter(reader, keys[wrong.file]);
        return px_reader_fail(reader, "\"%.300s\": %s", paths[wrong.file], wrong.words);
    }
    px_reader_leave(reader, mark);
    return true;
}

px_err px_config_check_certificates(const char *path, const px_config *config, char *fault,
                                    size_t fault_bytes)
{
    px_reader reader;
    px_reader_init(&reader, path, fault, fault_bytes);
    return check_certificates(&reader, config) ? PX_OK : PX_ERR_MALFORMED;
}

px_err px_config_check(const char *path, const px_config *config, char *fault, size_t fault_bytes)
{
    px_reader reader;
    px_reader_init(&reader, path, fault, fault_bytes);
    const bool is_good = check_certificates(&reader, config) &&
                         check_kind(&reader, "data_dir", config->data_dir, S_IFDIR, "folder") &&
                         check_pipes(&reader, config) &&
                         check_kind(&reader, "socket", config->socket, S_IFSOCK, "socket");
    return is_good ? PX_OK : PX_ERR_MALFORMED;
}
