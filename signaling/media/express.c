/* The express lane: what happens to an ordinary packet, in C.
 *
 * An ordinary packet comes from a link's current address, is authentic, follows the last one of a stream that is known,
 * and is no riddle. It is decrypted in place, kept for who may lose it, put into the hearing's intake for the
 * journal, numbered and encrypted for each receiver, and sent with the others of its wake-up. Everything else (STUN,
 * DTLS, RTCP, gaps, repairs, unknown addresses) is handed up to Python, which knows all the rules and can do
 * the whole work alone: this file decides nothing that Python has not laid down for it, and it may be missing.
 *
 * It works while the loop waits: `express_wait` is the loop's waiting, and returns when something is Python's to do. So
 * ordinary packets wake no interpreter, and the two never work at the same time.
 *
 * It owns no memory but its own buffers. Streams, links and histories belong to Python (signaling/media/express.py
 * mirrors the structures below), which takes them out of here before it lets go of them. Called by the loop's thread
 * only; the waiting lets go of the interpreter's lock, as any waiting does.
 *
 * RFC 3550 (RTP), RFC 3711 (SRTP, by the library that Python names), RFC 6464 (levels), RFC 8285 (header extensions).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define READ_MAX 64          /* datagrams a system call */
#define PASS_MAX 512         /* datagrams of one socket before the others, and what waits, get their turn */
#define SOCKETS_MAX 16
#define REST_S 0.0023        /* after something came: then several datagrams are one piece of work */
#define REST_FEW_S 0.0027    /* when few come: carrying them takes no time that would add to it */
#define FEW 20
#define PATIENCE_S 0.015     /* how long reports and feedback may wait for others to be handed up with */
#define HANDED_MAX 256
#define HANDED_BYTES 262144
#define DATAGRAM_MAX 2048    /* longer ones are cut, and then not authentic */
#define TRAILER_MAX 148      /* what SRTP may add */
#define ARENA_BYTES 262144   /* encrypted packets that wait for the end of the wake-up */
#define QUEUE_MAX 60         /* of them for one receiver: one message of the kernel's */
#define GROUP_BYTES_MAX 60000
#define MESSAGES_MAX 64
#define DOWNLINKS_MAX 256    /* receivers with something waiting */
#define LANES_MAX 1024       /* places in the table of addresses; a power of two, kept half empty */
#define FLOWS_MAX 4
#define SSRCS_MAX 128        /* as signaling/media/shared_state.py has it */
#define ROUTES_MAX 32
#define ARRIVALS_MAX 1024
#define SENT_KEPT 2048       /* as signaling/media/congestion.py has it */
#define HISTORY_MAX 256      /* as signaling/media/stream.py has it */
#define UDP_SEGMENT_OPTION 103
#define RECORD_HEAD 15       /* length u32, type u8, source u16, arrival u64: records/journal.py */
#define PACKET_RECORD 3

typedef int (*srtp_call)(void *session, void *packet, int *length);

enum codec { SOUND, VP8, H264 };
enum handed { DATAGRAM, RTP, RTCP }; /* how far a datagram got: as it came, or decrypted */

struct intake { /* of one hearing: whole records for its journal */
    uint8_t *bytes;
    uint32_t size, used, packets;
    int64_t first_us, last_us;
    int64_t anchor_us; /* this instant of Unix time ... */
    double anchor_s;   /* ... is this monotonic second */
};

struct heard { /* what one receiver's feedback told since Python last looked */
    double at;             /* when the last of it came */
    double arrival, delay; /* of the last packet that it tells of: by the receiver's clock, and against ours */
    double lowest, delays; /* the shortest of these delays, and all of them together */
    uint32_t packets, bytes;
    uint32_t size; /* of the last packet */
};

struct downlink { /* the way to one receiver */
    void *session;
    int32_t socket;
    uint32_t address_bytes;
    struct sockaddr_storage address;
    int64_t *sent_number; /* rings of SENT_KEPT by the transport-wide number */
    double *sent_at;
    uint16_t *sent_size;
    uint16_t number; /* the next transport-wide number */
    uint8_t counted; /* whether it wants such numbers at all */
    uint8_t alone;   /* whether the way there takes no groups: it was worth a try */
    double quickest;  /* the shortest delay of late */
    struct heard heard;
    uint32_t queued;
    struct iovec queue[QUEUE_MAX];
};

struct route {
    struct downlink *to;
    int64_t *sent_under; /* ring of HISTORY_MAX: sequence << 16 | transport-wide number */
    int32_t plain;       /* whether it gets redundant sound without what is redundant */
};

struct flow { /* one stream */
    int64_t highest; /* sequence number, counted on over its wraps; -1 before the first packet */
    uint32_t ssrc;
    uint32_t received, expected, octets, level; /* since Python last looked */
    uint16_t source; /* its number in the journal */
    uint8_t payload_type;
    uint32_t codec;
    double keyframe_at; /* when the last keyframe began, if Python has not looked since; else negative */
    uint32_t kept, slot_bytes; /* history: `kept` slots, a power of two */
    uint8_t *history;
    uint16_t *lengths;
    struct intake *intake;
    uint32_t routes_count;
    struct route routes[ROUTES_MAX];
};

struct uplink { /* the way from one sender */
    void *session;
    int32_t socket;
    uint32_t id;
    struct sockaddr_storage address;
    uint32_t heard; /* something authentic came this way; Python clears it */
    uint32_t arrivals_count;
    uint16_t arrival_number[ARRIVALS_MAX];
    double arrival_at[ARRIVALS_MAX];
    uint32_t flows_count, ssrcs_count;
    struct flow *flows[FLOWS_MAX];
    uint32_t ssrcs[SSRCS_MAX]; /* under which something authentic came */
    struct downlink *back;     /* the way to the same person */
};

struct handed_up {
    double at;
    uint8_t *bytes;
    uint32_t length;
    uint32_t kind;
    uint32_t uplink_id;
    uint16_t address_bytes;
    uint16_t socket; /* its place among those read */
    struct sockaddr_storage address;
};

struct counts { uint32_t any, receive_failed, srtp_refused, protect_failed, send_buffer_full, send_failed; };

struct express {
    srtp_call protect, unprotect, unprotect_rtcp;
    struct counts counts;
    uint32_t handed_count;
    struct handed_up handed[HANDED_MAX];
    /* from here on nobody else's business */
    uint32_t handed_bytes, urgent;
    uint32_t sockets_count, reading; /* the place of the one that is read */
    double at; /* the monotonic second of this pass */
    struct pollfd waited_for[SOCKETS_MAX + 1]; /* the sockets, and last whatever else the loop waits for */
    uint32_t dirty_count, arena_used, lanes_count;
    struct downlink *dirty[DOWNLINKS_MAX];
    struct uplink *lanes[LANES_MAX];
    struct mmsghdr in[READ_MAX];
    struct iovec in_part[READ_MAX];
    struct sockaddr_storage in_address[READ_MAX];
    uint8_t in_bytes[READ_MAX][DATAGRAM_MAX];
    struct mmsghdr out[MESSAGES_MAX];
    struct downlink *out_to[MESSAGES_MAX];
    uint8_t control[MESSAGES_MAX][CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8)));
    uint8_t arena[ARENA_BYTES];
    uint8_t handed_room[HANDED_BYTES];
};

static uint16_t read16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t read32(const uint8_t *at) { return (uint32_t)read16(at) << 16 | read16(at + 2); }
static void write16(uint8_t *at, uint16_t value) { at[0] = (uint8_t)(value >> 8); at[1] = (uint8_t)value; }
static void write32(uint8_t *at, uint32_t value) { write16(at, (uint16_t)(value >> 16)); write16(at + 2, (uint16_t)value); }

/* --- Addresses */

static int same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return 0;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
           !memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr);
}

static uint32_t place_of(const struct sockaddr_storage *address)
{
    uint32_t mixed;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)address;
        mixed = x->sin_addr.s_addr ^ (uint32_t)x->sin_port << 8;
    } else {
        const struct sockaddr_in6 *x = (const void *)address;
        mixed = x->sin6_port;
        for (int i = 0; i < 16; i += 4)
            mixed = mixed * 31 + read32(x->sin6_addr.s6_addr + i);
    }
    mixed *= 2654435761u;
    return (mixed ^ mixed >> 15) & (LANES_MAX - 1);
}

static struct uplink *find(const struct express *x, int socket, const struct sockaddr_storage *address)
{
    /* Only addresses that proved themselves are in the table, so nobody can make its runs long from outside. */
    for (uint32_t at = place_of(address); x->lanes[at]; at = (at + 1) & (LANES_MAX - 1))
        if (x->lanes[at]->socket == socket && same_address(&x->lanes[at]->address, address))
            return x->lanes[at];
    return NULL;
}

static void seat(struct express *x, struct uplink *uplink)
{
    uint32_t at = place_of(&uplink->address);
    while (x->lanes[at])
        at = (at + 1) & (LANES_MAX - 1);
    x->lanes[at] = uplink;
    x->lanes_count++;
}

/* Let a sender's ordinary packets in; 0 when there is no more room and they go the long way. */
int express_open(struct express *x, struct uplink *uplink)
{
    if (x->lanes_count >= LANES_MAX / 2 || find(x, uplink->socket, &uplink->address))
        return 0;
    seat(x, uplink);
    return 1;
}

/* Forget a sender; what was seated after it is seated anew, so that every run stays whole. */
void express_close(struct express *x, struct uplink *uplink)
{
    for (uint32_t at = 0; at < LANES_MAX; at++) {
        if (x->lanes[at] != uplink)
            continue;
        x->lanes[at] = NULL;
        x->lanes_count--;
        for (uint32_t next = (at + 1) & (LANES_MAX - 1); x->lanes[next]; next = (next + 1) & (LANES_MAX - 1)) {
            struct uplink *moved = x->lanes[next];
            x->lanes[next] = NULL;
            x->lanes_count--;
            seat(x, moved);
        }
        return;
    }
}

/* --- Sending */

static void count(struct express *x, uint32_t *which, uint32_t datagrams)
{
    *which += datagrams;
    x->counts.any += datagrams;
}

static void send_one_by_one(struct express *x, int socket, struct msghdr *message)
{
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        struct iovec *part = &message->msg_iov[i];
        if (sendto(socket, part->iov_base, part->iov_len, 0, message->msg_name, message->msg_namelen) < 0)
            count(x, errno == EAGAIN ? &x->counts.send_buffer_full : &x->counts.send_failed, 1);
    }
}

static void send_messages(struct express *x, int socket, uint32_t messages)
{
    for (uint32_t sent = 0; sent < messages;) {
        int result = sendmmsg(socket, x->out + sent, messages - sent, 0);
        if (result > 0) {
            sent += result;
            continue;
        }
        struct msghdr *refused = &x->out[sent].msg_hdr;
        if (errno == EAGAIN) {
            count(x, &x->counts.send_buffer_full, (uint32_t)refused->msg_iovlen);
        } else if (refused->msg_iovlen > 1) {
            if (errno == EIO || errno == EINVAL || errno == EMSGSIZE || errno == ENOPROTOOPT || errno == EOPNOTSUPP)
                x->out_to[sent]->alone = 1; /* this kernel, card or way cannot, or not packets of this size */
            send_one_by_one(x, socket, refused);
        } else {
            count(x, &x->counts.send_failed, 1);
        }
        sent++;
    }
}

/* How many datagrams from `first` on are of equal size; a shorter one may close the run. */
static uint32_t group_from(const struct downlink *to, uint32_t first)
{
    size_t size = to->queue[first].iov_len, total = size;
    uint32_t end = first + 1;
    while (!to->alone && end < to->queued) {
        size_t length = to->queue[end].iov_len;
        total += length;
        if (length > size || total > GROUP_BYTES_MAX)
            break;
        end++;
        if (length < size)
            break;
    }
    return end - first;
}

static void write_message(struct express *x, uint32_t at, struct downlink *to, uint32_t first, uint32_t datagrams)
{
    struct msghdr *message = &x->out[at].msg_hdr;
    *message = (struct msghdr){.msg_name = &to->address, .msg_namelen = to->address_bytes,
                               .msg_iov = to->queue + first, .msg_iovlen = datagrams};
    x->out_to[at] = to;
    if (datagrams < 2)
        return;
    uint16_t size = (uint16_t)to->queue[first].iov_len;
    message->msg_control = x->control[at];
    message->msg_controllen = sizeof x->control[at];
    struct cmsghdr *option = CMSG_FIRSTHDR(message);
    option->cmsg_level = IPPROTO_UDP;
    option->cmsg_type = UDP_SEGMENT_OPTION;
    option->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(option), &size, sizeof size);
}

/* Send everything that waits: datagrams of equal size to one receiver as one message, all messages in one call. */
void express_flush(struct express *x)
{
    uint32_t messages = 0;
    int socket = -1;
    for (uint32_t i = 0; i < x->dirty_count; i++) {
        struct downlink *to = x->dirty[i];
        for (uint32_t first = 0; first < to->queued;) {
            if (messages == MESSAGES_MAX || (messages && socket != to->socket)) {
                send_messages(x, socket, messages);
                messages = 0;
            }
            socket = to->socket;
            uint32_t datagrams = group_from(to, first);
            write_message(x, messages++, to, first, datagrams);
            first += datagrams;
        }
    }
    send_messages(x, socket, messages);
    for (uint32_t i = 0; i < x->dirty_count; i++)
        x->dirty[i]->queued = 0;
    x->dirty_count = x->arena_used = 0;
}

struct head { /* what decides about a packet; offsets into it, or -1 */
    uint16_t sequence;
    uint32_t ssrc;
    int payload_at, numbered, level;
    int named_at, newest_at; /* of redundant sound (RFC 2198): the name of its newest piece, and where that begins */
};

/* Copy a packet of redundant sound without what is redundant. Returns its length. */
static int copy_newest(uint8_t *copy, const uint8_t *packet, int length, const struct head *head)
{
    int size = length - head->newest_at;
    memcpy(copy, packet, head->payload_at);
    memcpy(copy + head->payload_at, packet + head->newest_at, size);
    copy[1] = (uint8_t)((packet[1] & 0x80) | packet[head->named_at]);
    return head->payload_at + size;
}

static void forward(struct express *x, struct route *route, const uint8_t *packet, int length, const struct head *head,
                    double at)
{
    struct downlink *to = route->to;
    if (to->queued == QUEUE_MAX || x->arena_used + length + TRAILER_MAX > ARENA_BYTES ||
        (!to->queued && x->dirty_count == DOWNLINKS_MAX))
        express_flush(x);
    uint8_t *copy = x->arena + x->arena_used;
    if (route->plain)
        length = copy_newest(copy, packet, length, head);
    else
        memcpy(copy, packet, length);
    if (to->counted) {
        uint16_t number = to->number++;
        uint32_t place = number % SENT_KEPT;
        to->sent_number[place] = number;
        to->sent_at[place] = at;
        to->sent_size[place] = (uint16_t)length;
        route->sent_under[head->sequence % HISTORY_MAX] = (int64_t)head->sequence << 16 | number;
        write16(copy + head->numbered, number);
    }
    if (x->protect(to->session, copy, &length)) {
        count(x, &x->counts.protect_failed, 1);
        return;
    }
    if (!to->queued)
        x->dirty[x->dirty_count++] = to;
    to->queue[to->queued++] = (struct iovec){copy, (size_t)length};
    x->arena_used += (length + 15) & ~15;
}

/* --- Reading */

#define AUDIO_LEVEL_ID 1 /* as signaling/media/rtp.py has them */
#define TRANSPORT_WIDE_ID 3

/* One-byte header extensions (RFC 8285 section 4.2), the first of each kind. */
static void read_extensions(const uint8_t *packet, int at, int end, struct head *head)
{
    while (at < end) {
        if (!packet[at]) {
            at++;
            continue;
        }
        int id = packet[at] >> 4, size = (packet[at] & 0x0F) + 1;
        if (at + 1 + size > end)
            return;
        if (id == TRANSPORT_WIDE_ID && head->numbered < 0 && size >= 2)
            head->numbered = at + 1;
        if (id == AUDIO_LEVEL_ID && head->level < 0)
            head->level = at + 1;
        at += 1 + size;
    }
}

static int read_head(const uint8_t *packet, int length, struct head *head)
{
    if (length < 12 || packet[0] >> 6 != 2)
        return 0;
    int at = 12 + 4 * (packet[0] & 0x0F);
    *head = (struct head){.numbered = -1, .level = -1};
    if (packet[0] & 0x10) {
        if (length < at + 4)
            return 0;
        int end = at + 4 + 4 * read16(packet + at + 2);
        if (end > length)
            return 0;
        if (read16(packet + at) == 0xBEDE)
            read_extensions(packet, at + 4, end, head);
        at = end;
    }
    head->payload_at = at;
    head->sequence = read16(packet + 2);
    head->ssrc = read32(packet + 8);
    return at <= length;
}

enum beginning { NOTHING, KEYFRAME, RIDDLE };

/* RFC 7741 section 4.2: whether a VP8 keyframe begins here. */
static enum beginning vp8_beginning(const uint8_t *payload, int length)
{
    if (length < 1 || (payload[0] & 0x17) != 0x10)
        return NOTHING;
    int at = 1;
    if (payload[0] & 0x80) {
        if (length < 2)
            return RIDDLE;
        at = 2;
        if (payload[1] & 0x80) {
            if (length < 3)
                return RIDDLE;
            at += payload[2] & 0x80 ? 2 : 1;
        }
        at += !!(payload[1] & 0x40) + !!(payload[1] & 0x30);
    }
    return at >= length ? RIDDLE : payload[at] & 1 ? NOTHING : KEYFRAME;
}

/* RFC 6184 section 5.2: only pieces of pictures that lean on others are surely nothing; the rest is rare. */
static enum beginning h264_beginning(const uint8_t *payload, int length)
{
    if (length < 2)
        return RIDDLE;
    int type = payload[0] & 0x1F;
    if (type == 28) /* a piece of a unit: its first piece tells */
        return payload[1] & 0x80 && (payload[1] & 0x1F) != 1 ? RIDDLE : NOTHING;
    return type == 1 ? NOTHING : RIDDLE;
}

static enum beginning beginning_of(uint32_t codec, const uint8_t *payload, int length)
{
    return codec == VP8 ? vp8_beginning(payload, length) : codec == H264 ? h264_beginning(payload, length) : NOTHING;
}

static void keep(struct flow *flow, uint16_t sequence, const uint8_t *packet, int length)
{
    uint32_t slot = sequence & (flow->kept - 1);
    memcpy(flow->history + (size_t)slot * flow->slot_bytes, packet, length);
    flow->lengths[slot] = (uint16_t)length;
}

static void journal(struct flow *flow, const uint8_t *packet, int length, double at)
{
    struct intake *intake = flow->intake;
    int64_t arrival_us = intake->anchor_us + (int64_t)((at - intake->anchor_s) * 1e6);
    uint8_t *record = intake->bytes + intake->used;
    write32(record, RECORD_HEAD - 5 + length);
    record[4] = PACKET_RECORD;
    write16(record + 5, flow->source);
    write32(record + 7, (uint32_t)((uint64_t)arrival_us >> 32));
    write32(record + 11, (uint32_t)arrival_us);
    memcpy(record + RECORD_HEAD, packet, length);
    intake->used += RECORD_HEAD + length;
    if (!intake->packets++)
        intake->first_us = arrival_us;
    intake->last_us = arrival_us;
}

static struct flow *flow_of(struct uplink *uplink, uint32_t ssrc, uint8_t payload_type)
{
    for (uint32_t i = 0; i < uplink->flows_count; i++) {
        struct flow *flow = uplink->flows[i];
        if (flow->ssrc == ssrc && flow->payload_type == payload_type)
            return flow;
    }
    return NULL;
}

/* Find the newest piece of redundant sound: behind the heads of all pieces and the older pieces. 0 when it makes no
 * sense (RFC 2198 section 3). */
static int read_redundant(const uint8_t *packet, int length, struct head *head)
{
    int at = head->payload_at, older = 0;
    for (; at < length && packet[at] & 0x80; at += 4) {
        if (at + 4 > length)
            return 0;
        older += (packet[at + 2] & 0x03) << 8 | packet[at + 3];
    }
    head->named_at = at;
    head->newest_at = at + 1 + older;
    return at < length && head->newest_at <= length;
}

/* Whether every receiver can be sent the packet: its number has a place there, its sound can be told from the rest. */
static int suits_all(const struct flow *flow, const uint8_t *packet, int length, struct head *head)
{
    int plain = 0;
    for (uint32_t i = 0; i < flow->routes_count; i++) {
        if (head->numbered < 0 && flow->routes[i].to->counted)
            return 0;
        plain |= flow->routes[i].plain;
    }
    return !plain || read_redundant(packet, length, head);
}

/* Do all that an ordinary packet needs; 0 when it is none, and then nothing was done. */
static int carry(struct express *x, struct uplink *uplink, const uint8_t *packet, int length, double at)
{
    struct head head;
    if (!read_head(packet, length, &head))
        return 0;
    struct flow *flow = flow_of(uplink, head.ssrc, packet[1] & 0x7F);
    if (!flow || flow->highest < 0 || ((flow->highest + 1) & 0xFFFF) != head.sequence)
        return 0;
    enum beginning beginning = beginning_of(flow->codec, packet + head.payload_at, length - head.payload_at);
    if (beginning == RIDDLE || !suits_all(flow, packet, length, &head) || (uint32_t)length > flow->slot_bytes ||
        flow->intake->used + RECORD_HEAD + length > flow->intake->size ||
        (head.numbered >= 0 && uplink->arrivals_count == ARRIVALS_MAX))
        return 0;
    if (head.numbered >= 0) {
        uplink->arrival_number[uplink->arrivals_count] = read16(packet + head.numbered);
        uplink->arrival_at[uplink->arrivals_count++] = at;
    }
    flow->highest++;
    flow->expected++;
    flow->received++;
    flow->octets += length;
    if (beginning == KEYFRAME)
        flow->keyframe_at = at;
    if (flow->codec == SOUND && head.level >= 0) {
        uint32_t level = 127 - (packet[head.level] & 0x7F);
        if (level > flow->level)
            flow->level = level;
    }
    keep(flow, head.sequence, packet, length);
    journal(flow, packet, length, at);
    for (uint32_t i = 0; i < flow->routes_count; i++)
        forward(x, &flow->routes[i], packet, length, &head, at);
    return 1;
}

#define QUEUE_NONE_S 0.05 /* as signaling/media/congestion.py has it */
#define REFERENCE_S 0.064
#define TICK_S 0.00025
#define RTCP_SENDER_REPORT 200
#define RTCP_DESCRIPTION 202
#define RTCP_TRANSPORT_FEEDBACK 205
#define TRANSPORT_WIDE_FORM 15

/* Reports and transport-wide feedback change nothing that anybody waits for; the rest of RTCP asks for something. */
static int can_wait(const uint8_t *control, int length)
{
    while (length >= 4) {
        int type = control[1], size = 4 * (read16(control + 2) + 1);
        if (type == RTCP_TRANSPORT_FEEDBACK ? (control[0] & 0x1F) != TRANSPORT_WIDE_FORM
                                            : type < RTCP_SENDER_REPORT || type > RTCP_DESCRIPTION)
            return 0;
        control += size;
        length -= size;
    }
    return 1;
}

/* Take transport-wide feedback by which everything came, each soon after the one before, and the last without having
 * stood in a queue: nearly always (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1). 0 when it is not
 * that, and then nothing was done. */
int express_hear(struct downlink *from, const uint8_t *control, int length, double at)
{
    if (!from || !from->counted || length < 22 || control[1] != RTCP_TRANSPORT_FEEDBACK ||
        (control[0] & 0x1F) != TRANSPORT_WIDE_FORM || 4 * (read16(control + 2) + 1) != length)
        return 0;
    uint16_t first = read16(control + 12), count = read16(control + 14);
    if (count >= 0x2000 || read16(control + 20) != (0x2000 | count) || length < 22 + count)
        return 0;
    struct heard told = {.at = at};
    double arrival = (double)(read32(control + 16) >> 8) * REFERENCE_S;
    for (uint16_t i = 0; i < count; i++) {
        uint16_t number = (uint16_t)(first + i);
        uint32_t place = number % SENT_KEPT;
        arrival += control[22 + i] * TICK_S;
        if (from->sent_number[place] != number)
            continue;
        told.arrival = arrival;
        told.delay = arrival - from->sent_at[place];
        told.size = from->sent_size[place];
        told.delays += told.delay;
        told.bytes += told.size;
        if (!told.packets++ || told.delay < told.lowest)
            told.lowest = told.delay;
    }
    if (!told.packets || told.delay - (told.lowest < from->quickest ? told.lowest : from->quickest) >= QUEUE_NONE_S)
        return 0;
    for (uint16_t i = 0; i < count; i++)
        if (from->sent_number[(uint16_t)(first + i) % SENT_KEPT] == (uint16_t)(first + i))
            from->sent_number[(uint16_t)(first + i) % SENT_KEPT] = -1;
    if (from->heard.packets) {
        told.packets += from->heard.packets;
        told.bytes += from->heard.bytes;
        told.delays += from->heard.delays;
        if (from->heard.lowest < told.lowest)
            told.lowest = from->heard.lowest;
    }
    from->heard = told;
    return 1;
}

/* Room for this was made sure of before reading. */
static void hand_up(struct express *x, uint32_t i, enum handed kind, uint32_t uplink_id, uint32_t length)
{
    uint8_t *copy = x->handed_room + x->handed_bytes;
    memcpy(copy, x->in_bytes[i], length);
    x->handed[x->handed_count++] = (struct handed_up){
        .at = x->at, .bytes = copy, .length = length, .kind = kind, .uplink_id = uplink_id,
        .address_bytes = (uint16_t)x->in[i].msg_hdr.msg_namelen, .socket = (uint16_t)x->reading,
        .address = x->in_address[i]};
    x->handed_bytes += length;
    x->urgent |= kind != RTCP || !can_wait(copy, (int)length);
}

static int has_room(const struct express *x)
{
    return x->handed_count + READ_MAX <= HANDED_MAX && x->handed_bytes + READ_MAX * DATAGRAM_MAX <= HANDED_BYTES;
}

/* SRTP remembers every SSRC under which something authentic came, for good: only Python lets new ones in. */
static int knows(const struct uplink *uplink, uint32_t ssrc)
{
    for (uint32_t i = 0; i < uplink->ssrcs_count; i++)
        if (uplink->ssrcs[i] == ssrc)
            return 1;
    return 0;
}

static void take(struct express *x, int socket, uint32_t i, double at)
{
    uint8_t *packet = x->in_bytes[i];
    int length = (int)x->in[i].msg_len;
    struct uplink *uplink = NULL;
    if (length >= 12 && packet[0] > 127 && packet[0] < 192)
        uplink = find(x, socket, &x->in_address[i]);
    int control = packet[1] > 191 && packet[1] < 224; /* RFC 5761 section 4 */
    if (!uplink || !knows(uplink, read32(packet + (control ? 4 : 8)))) {
        hand_up(x, i, DATAGRAM, 0, length);
        return;
    }
    if ((control ? x->unprotect_rtcp : x->unprotect)(uplink->session, packet, &length)) {
        count(x, &x->counts.srtp_refused, 1);
        return;
    }
    uplink->heard = 1;
    if (control ? !express_hear(uplink->back, packet, length, at) : !carry(x, uplink, packet, length, at))
        hand_up(x, i, control ? RTCP : RTP, uplink->id, length);
}

/* Read once, and carry what is ordinary; fewer than READ_MAX: no more are there. */
static int read_once(struct express *x, int socket)
{
    for (uint32_t i = 0; i < READ_MAX; i++)
        x->in[i].msg_hdr.msg_namelen = sizeof x->in_address[i];
    int read = recvmmsg(socket, x->in, READ_MAX, MSG_DONTWAIT, NULL);
    if (read < 0) {
        if (errno == EAGAIN)
            return 0;
        count(x, &x->counts.receive_failed, 1); /* an ICMP error of an earlier datagram */
        return READ_MAX;
    }
    for (int i = 0; i < read; i++)
        take(x, socket, (uint32_t)i, x->at);
    return read;
}

/* Read all sockets until nothing is there, within bounds, and send what that gave rise to. Returns how many came. */
static int read_all(struct express *x)
{
    int came = 0;
    for (x->reading = 0; x->reading < x->sockets_count; x->reading++) {
        int here = 0, now = READ_MAX;
        while (now == READ_MAX && here < PASS_MAX && has_room(x)) {
            now = read_once(x, x->waited_for[x->reading].fd);
            here += now;
        }
        came += here;
    }
    express_flush(x);
    return came;
}

/* --- Waiting */

static double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Wait until one of these is ready: how many are; 0 when the time (infinite: never) is over, -1 when a signal came. */
static int wait_for(struct pollfd *these, uint32_t how_many, double seconds)
{
    struct timespec limit = {0, 0};
    if (seconds > 0 && seconds < INFINITY) {
        limit.tv_sec = (time_t)seconds;
        limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
    }
    return ppoll(these, how_many, seconds < INFINITY ? &limit : NULL, NULL);
}

/* The loop's waiting: carry what is ordinary until Python has something to do: `elsewhere` (a descriptor for all else
 * that the loop waits for) is ready, monotonic second `until` (infinite: never) has come, or something is handed up.
 * Returns whether `elsewhere` is ready. What was handed up the last time must have been taken (`express_taken`). */
int express_wait(struct express *x, int elsewhere, double until)
{
    struct pollfd *rest = &x->waited_for[x->sockets_count];
    *rest = (struct pollfd){.fd = elsewhere, .events = POLLIN};
    for (;;) {
        x->at = monotonic();
        int came = read_all(x);
        if (x->urgent || !has_room(x))
            return wait_for(rest, 1, 0) > 0;
        if (x->handed_count && until > x->handed[0].at + PATIENCE_S)
            until = x->handed[0].at + PATIENCE_S;
        double left = until - monotonic();
        if (left <= 0)
            return wait_for(rest, 1, 0) > 0;
        double pause = came < FEW ? REST_FEW_S : came < PASS_MAX ? REST_S : 0; /* the last: there is more */
        int ready;
        if (came)
            ready = wait_for(rest, 1, left > pause ? pause : left);
        else
            ready = wait_for(x->waited_for, x->sockets_count + 1, left);
        if (ready < 0 || rest->revents)
            return rest->revents != 0;
    }
}

/* Everything that was handed up has been taken. */
void express_taken(struct express *x) { x->handed_count = x->handed_bytes = x->urgent = 0; }

/* Which sockets to read; 0 when they are too many. */
int express_watch(struct express *x, const int *sockets, uint32_t how_many)
{
    if (how_many > SOCKETS_MAX)
        return 0;
    for (uint32_t i = 0; i < how_many; i++)
        x->waited_for[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
    x->sockets_count = how_many;
    return 1;
}

struct express *express_new(srtp_call protect, srtp_call unprotect, srtp_call unprotect_rtcp)
{
    struct express *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->protect = protect;
    x->unprotect = unprotect;
    x->unprotect_rtcp = unprotect_rtcp;
    for (uint32_t i = 0; i < READ_MAX; i++) {
        x->in_part[i] = (struct iovec){x->in_bytes[i], DATAGRAM_MAX};
        x->in[i].msg_hdr = (struct msghdr){.msg_name = &x->in_address[i], .msg_iov = &x->in_part[i], .msg_iovlen = 1};
    }
    return x;
}

void express_free(struct express *x) { free(x); }

/* So that Python can see that it means the same structures. */
uint32_t express_layout(uint32_t which)
{
    const uint32_t sizes[] = {sizeof(struct intake), sizeof(struct downlink), sizeof(struct flow),
                              sizeof(struct uplink), sizeof(struct handed_up), sizeof(struct heard),
                              offsetof(struct express, handed_bytes)};
    return which < sizeof sizes / sizeof *sizes ? sizes[which] : 0;
}
