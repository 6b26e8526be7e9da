/* sim_net_priv.h - what sim_net.c and sim_connection.c share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_NET_PRIV_H
#define PX_TEST_SIM_SIM_NET_PRIV_H

#include "sim/sim_net.h"

#define SIM_HEAD_BYTES_MAX 128u
#define SIM_RULES_MAX 16u
#define SIM_BACKOFF_US_MIN (50 * SIM_MS)
#define SIM_BACKOFF_US_MAX (400 * SIM_MS)

typedef struct sim_letter sim_letter;
struct sim_letter {
    sim_letter *next;
    px_buffer *body;
    uint32_t head_bytes;
    uint8_t head[SIM_HEAD_BYTES_MAX];
};

#define SIM_RECORD_MAX 24u

typedef struct {
    sim_letter *first, **end;
} sim_lane;

/* Lives until the world ends, so that whoever still holds its number finds it dead. */
typedef struct sim_connection sim_connection;
struct sim_connection {
    sim_connection *next;
    sim_net *net;
    uint64_t number;
    uint32_t from, to;
    uint64_t from_run, to_run;
    bool sender_knows, receiver_knows; /* it was told up (incoming), and not yet down (closed) */
    bool is_broken;                    /* nothing that is sent now arrives */
    bool is_late;                      /* the receiver hears of it when the sender has long given it up */
    uint64_t arrivals_end_us;          /* once broken: what is due later is lost */
    uint64_t first_us; /* the first message's arrival: in datagram mode none comes before it */
    uint64_t last_us;  /* the latest arrival so far */
    uint64_t free_us;  /* the wire takes the next message then */
    bool is_pumped;    /* an event for that is made */
    sim_lane lanes[PX_LANES];
    size_t queued_bytes;
};

/* A message that a rule holds back. */
typedef struct sim_held sim_held;
struct sim_held {
    sim_held *next;
    sim_connection *connection;
    sim_letter *letter;
    px_wire_kind wire;
    px_message_kind core;
};

/* What `from` does to have a connection to `to`. */
typedef struct {
    sim_net *net;
    uint32_t from, to;
    sim_connection *connection; /* up at the sender, or under way; NULL: none */
    uint64_t backoff_us;
    uint64_t attempt; /* the one that counts */
    /* The first message of its connection and those after it, and likewise of the connection before. */
    sim_letter *record[SIM_RECORD_MAX], *former[SIM_RECORD_MAX];
    uint32_t record_count, former_count;
    uint64_t late_us; /* its next connection is that late at the receiver; 0: it is not */
    sim_path path;
} sim_dialler;

typedef struct {
    px_net port; /* first */
    sim_net *net;
    uint32_t place;
    px_net_events *events;
} sim_end;

struct sim_net {
    sim_world *world;
    bool is_datagram;
    sim_end ends[PX_MEMBERS_MAX];
    sim_dialler diallers[PX_MEMBERS_MAX][PX_MEMBERS_MAX];
    sim_connection *connections;
    uint64_t numbers;
    sim_rule rules[SIM_RULES_MAX];
    uint32_t rule_count;
    sim_held *held; /* oldest first */
    uint8_t *space;
    size_t space_bytes;
};

/* How long without a word until a side gives a connection up. */
uint64_t sim_net_idle_us(const sim_net *net);
/* What one message needs for a path now. */
uint64_t sim_net_travel_us(sim_net *net, uint32_t from, uint32_t to);
/* The next attempt, and no other. */
void sim_net_dial_after(sim_dialler *dialler, uint64_t delay_us);

/* ---- sim_connection.c ---- */
sim_connection *sim_connection_make(sim_dialler *dialler);
/* A connection that brings what the one before this dialler's brought, once more. */
sim_connection *sim_connection_replay(sim_dialler *dialler);
/* What is to be replayed is forgotten, when the world ends. */
void sim_dialler_forget(sim_dialler *dialler);
void sim_connection_free(sim_connection *connection);
/* Nothing more is sent on it; each side learns so after its delay. */
void sim_connection_end(sim_connection *connection, uint64_t sender_us, uint64_t receiver_us);
/* The sender gives it up at once; what it has sent still arrives. */
void sim_connection_abandon(sim_connection *connection);
void sim_connection_push(sim_connection *connection, px_lane lane, px_bytes head, px_buffer *body);
/* A copy of the head, and the body retained. */
sim_letter *sim_letter_make(px_bytes head, px_buffer *body);
void sim_letter_free(sim_letter *letter);
/* It overtakes whatever is queued. */
void sim_connection_send_now(sim_connection *connection, sim_letter *letter);
/* Sends what its path lets through now. */
void sim_connection_pump(sim_connection *connection);
void sim_connection_drop_queue(sim_connection *connection);
/* Frees what is under way, when the world ends. */
void sim_connections_drop_arrivals(sim_world *world);

#endif
