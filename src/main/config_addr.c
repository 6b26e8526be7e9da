/* config_addr.c - addresses and names as people write them. */
// SPDX-License-Identifier: Apache-2.0
#include "main/config_addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* RFC 1035: a name and one label of it. */
#define NAME_CHARACTERS_MAX 253u
#define LABEL_CHARACTERS_MAX 63u
#define PORT_MAX 65535u

/* The text cut at its port; views into it. */
typedef struct {
    const char *host;
    size_t host_bytes;
    const char *port; /* NULL where there is none */
    bool is_bracketed;
} parts;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_character(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

static const char *split(const char *text, parts *out)
{
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (!close) return "the bracket is not closed; write an IPv6 address as [ip6]:port";
        if (close[1] != ':' && close[1] != '\0') return "only :port may follow the bracket; write [ip6]:port";
        *out = (parts){text + 1, (size_t)(close - text - 1), close[1] ? close + 2 : NULL, true};
        return NULL;
    }
    const char *colon = strchr(text, ':');
    if (colon && strchr(colon + 1, ':'))
        return "has several colons; write an IPv6 address in brackets, as [ip6]:port";
    *out = (parts){text, colon ? (size_t)(colon - text) : strlen(text), colon ? colon + 1 : NULL, false};
    return NULL;
}

static const char *parse_port(const char *text, uint16_t *port)
{
    uint32_t number = 0;
    if (text[0] == '\0') return "the port is missing behind the colon; use 1 to 65535";
    for (; *text; text++) {
        if (!is_digit(*text)) return "the port is not a number; use 1 to 65535";
        number = number * 10 + (uint32_t)(*text - '0');
        if (number > PORT_MAX) return "the port is out of range; use 1 to 65535";
    }
    if (number == 0) return "port 0 is out of range; use 1 to 65535";
    *port = (uint16_t)number;
    return NULL;
}

static bool is_ip4(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1;
}

static bool is_ip6(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, host, &address) == 1;
}

/* Whether the last label is a number: such a thing is an IPv4 address or a mistake, never a host name. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot ? dot + 1 : host;
    if (*label == '\0') return false;
    while (is_digit(*label)) label++;
    return *label == '\0';
}

/* The rules that host names and names of nodes share. */
static const char *check_name(const char *name)
{
    const size_t size = strlen(name);
    if (size == 0) return "the name is empty; use a domain name such as px1.example";
    if (size > NAME_CHARACTERS_MAX) return "the name is longer than 253 characters; use a shorter one";
    size_t label = 0;
    for (size_t i = 0; i <= size; i++) {
        if (name[i] == '.' || name[i] == '\0') {
            if (label == 0)
                return "the name has an empty label; write it without leading, trailing or double dots";
            if (label > LABEL_CHARACTERS_MAX)
                return "a label of the name is longer than 63 characters; use a shorter one";
            if (name[i - 1] == '-' || name[i - label] == '-')
                return "a label begins or ends with a hyphen; use letters or digits there";
            label = 0;
        } else if (is_name_character(name[i])) {
            label++;
        } else {
            return "has a character that no domain name has; use letters, digits, hyphens and dots";
        }
    }
    return NULL;
}

static const char *take_host(const parts *from, px_config_addr *addr)
{
    if (from->host_bytes == 0) return "the host is missing; write host:port";
    if (from->host_bytes >= sizeof addr->host)
        return "the host is longer than 253 characters; use a shorter one";
    memcpy(addr->host, from->host, from->host_bytes);
    addr->host[from->host_bytes] = '\0';
    if (from->is_bracketed) {
        addr->is_ip = is_ip6(addr->host);
        return addr->is_ip ? NULL : "what stands in brackets is no IPv6 address; write [ip6]:port";
    }
    addr->is_ip = is_ip4(addr->host);
    if (addr->is_ip) return NULL;
    if (ends_in_number(addr->host))
        return "is no valid IPv4 address; use four numbers of 0 to 255 with dots between them";
    return check_name(addr->host);
}

/* port_default   0: a port must be given. */
static const char *parse(const char *text, uint16_t port_default, px_config_addr *addr)
{
    parts cut;
    px_config_addr read = {.port = port_default};
    const char *fault = split(text, &cut);
    if (!fault) fault = take_host(&cut, &read);
    if (!fault && cut.port) fault = parse_port(cut.port, &read.port);
    if (fault) return fault;
    if (read.port == 0) return "the port is missing; write it behind a colon, 1 to 65535";
    snprintf(read.text, sizeof read.text, cut.is_bracketed ? "[%s]:%u" : "%s:%u", read.host, read.port);
    *addr = read;
    return NULL;
}

const char *px_addr_parse_bind(const char *text, px_config_addr *addr)
{
    px_config_addr read;
    const char *fault = parse(text, 0, &read);
    if (fault) return fault;
    if (!read.is_ip)
        return "is no IP address, and only such can be bound; write ip:port, for example 0.0.0.0:7001 or "
               "[::]:7001";
    *addr = read;
    return NULL;
}

const char *px_addr_parse_dial(const char *text, uint16_t port_default, px_config_addr *addr)
{
    return parse(text, port_default, addr);
}

const char *px_name_parse(const char *text, char name[PX_NAME_BYTES_MAX])
{
    const char *fault = check_name(text);
    if (fault) return fault;
    if (ends_in_number(text) && strchr(text, '.'))
        return "is an IP address; use a domain name, as it stands in the certificate";
    size_t i = 0;
    for (; text[i]; i++) name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    name[i] = '\0';
    return NULL;
}
