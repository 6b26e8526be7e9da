/* udp_io.c - runs of datagrams in and out of one UDP socket.
 *
 * Meaning    One call sends a run and the kernel splits it (GSO), one call receives several, each joined by
 *            the kernel (GRO). Where the kernel or the device cannot, the datagrams of a run go as several
 *            messages of one call.
 * Source     [Q8, Q10-Q12, Q36]. */
// SPDX-License-Identifier: Apache-2.0
#include "os/udp.h"

#include "base/assert.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* Room for three control messages: TOS, local address, segment size. */
#define CONTROL_BYTES 128u

typedef struct {
    _Alignas(struct cmsghdr) char bytes[CONTROL_BYTES];
} control;

/* ---- sending ---- */

static void add_control(struct msghdr *message, control *space, int level, int type, const void *value,
                        size_t size)
{
    struct cmsghdr *header = (struct cmsghdr *)(void *)(space->bytes + message->msg_controllen);
    px_assert(message->msg_controllen + CMSG_SPACE(size) <= sizeof space->bytes);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), value, size);
    message->msg_control = space->bytes;
    message->msg_controllen += CMSG_SPACE(size);
}

/* Where it goes, from where, and with which ECN bits. */
static void address_message(const px_udp *udp, const px_dgram_run *run, struct msghdr *message,
                            control *space)
{
    memset(message, 0, sizeof *message);
    memset(space, 0, sizeof *space);
    if (!udp->is_connected) {
        message->msg_name = (void *)(uintptr_t)run->remote->bytes;
        message->msg_namelen = run->remote->size_bytes;
    }
    const bool is_four = udp->family == AF_INET;
    if (run->ecn) {
        const int ecn = run->ecn;
        add_control(message, space, is_four ? IPPROTO_IP : IPPROTO_IPV6, is_four ? IP_TOS : IPV6_TCLASS, &ecn,
                    sizeof ecn);
    }
    if (!udp->wants_local || !run->local) return;
    if (is_four) {
        const struct sockaddr_in *from = (const struct sockaddr_in *)(const void *)run->local->bytes;
        const struct in_pktinfo info = {.ipi_spec_dst = from->sin_addr};
        add_control(message, space, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)(const void *)run->local->bytes;
        const struct in6_pktinfo info = {.ipi6_addr = from->sin6_addr, .ipi6_ifindex = from->sin6_scope_id};
        add_control(message, space, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* What an error of sending means: most are losses to QUIC, which repairs them. [Q10] */
static px_dgram_sent sent_of_errno(void)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) return PX_DGRAM_BLOCKED;
    if (errno == ECONNREFUSED) return PX_DGRAM_REFUSED;
    return PX_DGRAM_SENT;
}

static ssize_t send_message(int fd, const struct msghdr *message)
{
    for (;;) {
        const ssize_t sent = sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0 || errno != EINTR) return sent;
    }
}

static px_dgram_sent send_joined(const px_udp *udp, const px_dgram_run *run, size_t *sent_bytes)
{
    struct msghdr message;
    control space;
    address_message(udp, run, &message, &space);
    struct iovec part = {run->data, run->size_bytes};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (run->size_bytes > run->segment_bytes) {
        const uint16_t segment_bytes = (uint16_t)run->segment_bytes;
        add_control(&message, &space, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof segment_bytes);
    }
    const px_dgram_sent sent = send_message(udp->fd, &message) < 0 ? sent_of_errno() : PX_DGRAM_SENT;
    *sent_bytes = sent == PX_DGRAM_SENT ? run->size_bytes : 0;
    return sent;
}

static px_dgram_sent send_split(const px_udp *udp, const px_dgram_run *run, size_t *sent_bytes)
{
    struct mmsghdr messages[PX_DGRAM_SEGMENTS_MAX];
    struct iovec parts[PX_DGRAM_SEGMENTS_MAX];
    struct msghdr first;
    control space;
    address_message(udp, run, &first, &space);
    unsigned count = 0;
    for (size_t offset = 0; offset < run->size_bytes; offset += run->segment_bytes) {
        const size_t rest = run->size_bytes - offset;
        px_assert(count < PX_DGRAM_SEGMENTS_MAX);
        parts[count] =
            (struct iovec){run->data + offset, rest < run->segment_bytes ? rest : run->segment_bytes};
        messages[count].msg_hdr = first;
        messages[count].msg_hdr.msg_iov = &parts[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    *sent_bytes = 0;
    for (unsigned done = 0; done < count;) {
        const int sent = sendmmsg(udp->fd, &messages[done], count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) {
            const px_dgram_sent fate = sent_of_errno();
            if (fate != PX_DGRAM_SENT) return fate;
        }
        /* A datagram that failed for good counts as gone. */
        for (unsigned end = done + (sent < 1 ? 1u : (unsigned)sent); done < end; done++)
            *sent_bytes += parts[done].iov_len;
    }
    return PX_DGRAM_SENT;
}

px_dgram_sent px_udp_send(px_udp *udp, const px_dgram_run *run, size_t *sent_bytes)
{
    px_assert(run->segment_bytes > 0 && run->size_bytes > 0);
    if (run->size_bytes <= run->segment_bytes) return send_joined(udp, run, sent_bytes);
    if (udp->has_gso) {
        errno = 0;
        const px_dgram_sent sent = send_joined(udp, run, sent_bytes);
        /* EIO: a device that cannot checksum what it splits; it never will. EINVAL: a segment larger than its
         * frames, as one that looks for the size of the path may be: only this run goes singly. [Q8] */
        if (sent != PX_DGRAM_SENT || (errno != EIO && errno != EINVAL)) return sent;
        if (errno == EIO) udp->has_gso = false;
    }
    return send_split(udp, run, sent_bytes);
}

/* ---- receiving ---- */

static void read_control(struct msghdr *message, const px_udp *udp, px_dgram_run *run,
                         px_dgram_address *local)
{
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
        const void *value = CMSG_DATA(each);
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TOS) {
            run->ecn = *(const uint8_t *)value & 3u;
        } else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_TCLASS) {
            int class;
            memcpy(&class, value, sizeof class);
            run->ecn = (uint8_t)(class & 3);
        } else if (each->cmsg_level == IPPROTO_UDP && each->cmsg_type == UDP_GRO) {
            int segment_bytes;
            memcpy(&segment_bytes, value, sizeof segment_bytes);
            if (segment_bytes > 0) run->segment_bytes = (size_t)segment_bytes;
        } else if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO && udp->wants_local) {
            struct in_pktinfo info;
            memcpy(&info, value, sizeof info);
            ((struct sockaddr_in *)(void *)local->bytes)->sin_addr = info.ipi_addr;
        } else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO && udp->wants_local) {
            struct in6_pktinfo info;
            memcpy(&info, value, sizeof info);
            struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)local->bytes;
            six->sin6_addr = info.ipi6_addr;
            /* Only an address that is valid on one link needs the link named. */
            six->sin6_scope_id = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
        }
    }
}

size_t px_udp_receive(px_udp *udp, px_udp_space *space, bool *refused)
{
    struct mmsghdr messages[PX_UDP_BATCH];
    struct iovec parts[PX_UDP_BATCH];
    control controls[PX_UDP_BATCH];
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < PX_UDP_BATCH; i++) {
        parts[i] = (struct iovec){space->bytes[i], sizeof space->bytes[i]};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = space->remotes[i].bytes;
        messages[i].msg_hdr.msg_namelen = sizeof space->remotes[i].bytes;
        // cppcheck-suppress uninitvar
        messages[i].msg_hdr.msg_control = controls[i].bytes;
        messages[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
    }
    *refused = false;
    const int got = recvmmsg(udp->fd, messages, PX_UDP_BATCH, MSG_DONTWAIT, NULL);
    if (got < 0) {
        *refused = errno == ECONNREFUSED;
        return 0;
    }
    for (size_t i = 0; i < (size_t)got; i++) {
        px_dgram_run *run = &space->runs[i];
        space->remotes[i].size_bytes = messages[i].msg_hdr.msg_namelen;
        space->locals[i] = udp->local;
        *run = (px_dgram_run){.local = &space->locals[i],
                              .remote = &space->remotes[i],
                              .data = space->bytes[i],
                              .size_bytes = messages[i].msg_len,
                              .segment_bytes = messages[i].msg_len};
        read_control(&messages[i].msg_hdr, udp, run, &space->locals[i]);
    }
    return (size_t)got;
}
