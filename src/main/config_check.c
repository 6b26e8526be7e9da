/* config_check.c - can what the configuration names be used? */
// SPDX-License-Identifier: Apache-2.0
#include "main/config_check.h"

#include "main/config_reader.h"
#include "quic/certificate_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

/* The folder that a path stands in. */
static void name_folder(char folder[PATH_MAX], const char *path)
{
    (void)snprintf(folder, PATH_MAX, "%s", path);
    char *end = folder + strlen(folder);
    while (end > folder + 1 && end[-1] == '/') *--end = 0;
    char *slash = strrchr(folder, '/');
    if (!slash)
        (void)snprintf(folder, PATH_MAX, ".");
    else
        slash[slash == folder] = 0;
}

/* The part of a path behind its folder; slashes at the end do not count. */
static size_t name_of(const char *path, const char **name)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    *name = path + start;
    return end - start;
}

/* Two ways to write the path of one folder that need not be there, while what it stands in is. */
static bool is_same_folder(const char *one, const char *other)
{
    char one_folder[PATH_MAX], other_folder[PATH_MAX];
    const char *one_name, *other_name;
    const size_t one_bytes = name_of(one, &one_name), other_bytes = name_of(other, &other_name);
    if (one_bytes != other_bytes || memcmp(one_name, other_name, one_bytes) != 0) return false;
    struct stat one_found, other_found;
    name_folder(one_folder, one);
    name_folder(other_folder, other);
    return stat(one_folder, &one_found) == 0 && stat(other_folder, &other_found) == 0 &&
           one_found.st_dev == other_found.st_dev && one_found.st_ino == other_found.st_ino;
}

/* May px make something of that path? Into a data folder that is not there yet it may. */
static bool check_folder(px_reader *reader, const char *key, const char *path, const char *data_dir)
{
    char folder[PATH_MAX];
    name_folder(folder, path);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0) return true;
    const int code = errno;
    if (code == ENOENT && is_same_folder(folder, data_dir)) return true;
    px_reader_enter(reader, key);
    if (code == ENOENT)
        return px_reader_fail(reader, "\"%.300s\": its folder is not there; make it or choose another path",
                              path);
    return px_reader_fail(reader, "\"%.300s\" cannot be made: %s; let px write into its folder", path,
                          strerror(code));
}

/* What is there already must be usable. */
static bool check_rights(px_reader *reader, const char *key, const char *path, int rights)
{
    if (faccessat(AT_FDCWD, path, rights, AT_EACCESS) == 0) return true;
    const int code = errno;
    px_reader_enter(reader, key);
    return px_reader_fail(reader, "\"%.300s\" cannot be used: %s; give px the rights to it", path,
                          strerror(code));
}

/* A path that must be of that kind with these rights already, or free in a folder where px may make it. */
static bool check_kind(px_reader *reader, const char *key, const char *path, mode_t kind, const char *word,
                       int rights, const char *data_dir)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        if (errno == ENOENT) return check_folder(reader, key, path, data_dir);
        px_reader_enter(reader, key);
        return px_reader_fail(reader, "\"%.300s\" cannot be looked at: %s; choose a path that px may use",
                              path, strerror(errno));
    }
    if ((found.st_mode & S_IFMT) == kind) return check_rights(reader, key, path, rights);
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
        const char *data_dir = config->data_dir;
        if (pipe->in && !check_kind(reader, "in", pipe->in, S_IFIFO, "FIFO", R_OK, data_dir)) return false;
        if (pipe->out && !check_kind(reader, "out", pipe->out, S_IFIFO, "FIFO", R_OK | W_OK, data_dir))
            return false;
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
    const char *data_dir = config->data_dir;
    const bool is_good =
        check_certificates(&reader, config) &&
        check_kind(&reader, "data_dir", data_dir, S_IFDIR, "folder", R_OK | W_OK | X_OK, data_dir) &&
        check_pipes(&reader, config) &&
        check_kind(&reader, "socket", config->socket, S_IFSOCK, "socket", F_OK, data_dir) &&
        check_folder(&reader, "socket", config->socket, data_dir);
    return is_good ? PX_OK : PX_ERR_MALFORMED;
}
