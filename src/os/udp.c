/* udp.c - one UDP socket: opening it, and what the kernel wants to be told for it. [Q8, Q11-Q13, Q17, Q36] */
// SPDX-License-Identifier: Apache-2.0
#include "os/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static px_err err_of_errno(void)
{
    if (errno == EADDRINUSE) return PX_ERR_BUSY;
    if (errno == EACCES || errno == EPERM) return PX_ERR_DENIED;
    if (errno == EADDRNOTAVAIL || errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EAFNOSUPPORT) {
        return PX_ERR_NOT_FOUND;
    }
    return PX_ERR_IO;
}

static bool is_any(const px_dgram_address *address)
{
    if (address->size_bytes == sizeof(struct sockaddr_in)) {
        return ((const struct sockaddr_in *)(const void *)address->bytes)->sin_addr.s_addr ==
               htonl(INADDR_ANY);
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address->bytes;
    return memcmp(&six->sin6_addr, &in6addr_any, sizeof six->sin6_addr) == 0;
}

/* Buffers, ECN, and no fragments: QUIC finds out itself what fits. A kernel that knows one of these not is no
 * reason to stop. */
static void set_options(px_udp *udp, size_t receive_bytes, bool is_plain)
{
    const int fd = udp->fd;
    const int wish = (int)receive_bytes;
    if (wish > 0) {
        (void)set_option(fd, SOL_SOCKET, SO_RCVBUF, wish);
        (void)set_option(fd, SOL_SOCKET, SO_SNDBUF, wish);
    }
    int got = 0;
    socklen_t got_bytes = sizeof got;
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &got_bytes) == 0 && got > 0)
        udp->receive_bytes = (size_t)got;
    if (udp->family == AF_INET) {
        (void)set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
        (void)set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
    } else {
        (void)set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        (void)set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    }
    udp->has_gso = !is_plain && set_option(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
    udp->has_gro = !is_plain && set_option(fd, IPPROTO_UDP, UDP_GRO, 1);
}

static px_err bind_and_connect(px_udp *udp, const px_dgram_address *local, const px_dgram_address *remote)
{
    const int fd = udp->fd;
    if (local && bind(fd, (const struct sockaddr *)(const void *)local->bytes, local->size_bytes)) {
        return err_of_errno();
    }
    if (remote && connect(fd, (const struct sockaddr *)(const void *)remote->bytes, remote->size_bytes)) {
        return err_of_errno();
    }
    socklen_t size_bytes = sizeof udp->local.bytes;
    if (getsockname(fd, (struct sockaddr *)(void *)udp->local.bytes, &size_bytes)) return PX_ERR_IO;
    udp->local.size_bytes = size_bytes;
    udp->is_connected = remote != NULL;
    udp->wants_local = !remote && is_any(&udp->local);
    if (!udp->wants_local) return PX_OK;
    const bool told = udp->family == AF_INET ? set_option(fd, IPPROTO_IP, IP_PKTINFO, 1)
                                             : set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    return told ? PX_OK : PX_ERR_IO;
}

px_err px_udp_open(px_udp *udp, const px_dgram_address *local, const px_dgram_address *remote,
                   size_t receive_bytes, bool is_plain)
{
    const px_dgram_address *any = remote ? remote : local;
    if (!any) return PX_ERR_NOT_FOUND;
    memset(udp, 0, sizeof *udp);
    udp->family = ((const struct sockaddr *)(const void *)any->bytes)->sa_family;
    udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (udp->fd < 0) return err_of_errno();
    set_options(udp, receive_bytes, is_plain);
    const px_err err = bind_and_connect(udp, local, remote);
    if (err) px_udp_close(udp);
    return err;
}

void px_udp_close(px_udp *udp)
{
    (void)close(udp->fd);
}
