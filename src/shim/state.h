/*
 * state - what is known of a container between two runs of the shim.
 *
 * ROOT/ID/ holds `state.json`, `config.json` (as it was when the container was
 * made; `creating` until it is) and, until it is started, the socket `start`.  ROOT and ROOT/ID are
 * 0700 and must be ours: another user's container cannot be named.  state.json
 * is replaced whole.  Nothing is synced to disk: it describes processes.
 *
 * A process is (pid, start time), so a pid that was used again is not mistaken
 * for the container.
 */
#pragma once

#include "base/attrs.h"
#include "shim/cgroup.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct spec;
struct spec_resources;
struct strv;

#define STATE_ID_MAX 255
#define STATE_FILE   "state.json"
#define CONFIG_FILE  "config.json"

enum container_status {
	CONTAINER_CREATING, /* its process is not in its own root yet: nobody may join it */
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED
};

struct state {
	int dir;  /* ROOT/ID */
	int root; /* ROOT */
	char *id, *bundle, *rootfs, *created;
	pid_t pid;
	uint64_t start_ticks;
	bool has_foreground; /* made by `run`, which also removes it */
	pid_t foreground_pid;
	uint64_t foreground_ticks;
	json_t *annotations;
	struct cgroup cgroup;
};

/* --root, or the default: /run/locald-shim for root, $XDG_RUNTIME_DIR/locald-shim for others. */
int state_open_root(const char *root, struct error *err);
int state_check_id(const char *id, struct error *err);

/* Makes ROOT/ID; EEXIST when it is taken by a container that is not a leftover. */
int state_new(struct state *state, int root, const char *id, struct error *err);
/* ENOENT when there is no such container. */
int state_load(struct state *state, int root, const char *id, struct error *err);
int state_save(const struct state *state, struct error *err);
/* Waits for others that remove it; 0 when they have, 1 when it is there and ours to remove. */
int state_lock(const struct state *state, struct error *err);
/* Removes ROOT/ID; idempotent. */
int state_remove(struct state *state, struct error *err);
void state_release(struct state *state);
/* The ids under ROOT, sorted. */
int state_list(int root, struct strv *ids, struct error *err);
/* match.c: the ids that a command means: the word, or with is_regex those that match it. */
int state_match(int root, const char *word, bool is_regex, struct strv *ids, struct error *err);

enum container_status state_status(const struct state *state);
const char *container_status_name(enum container_status status);
/* The document of the specification; pid 0 is left out. */
json_t *state_json(const struct state *state, const char *status) must_check;
char *state_document(const struct state *state, const char *status) must_check;

/* A pidfd of the container's process; ESRCH when it is gone. */
int state_open_process(const struct state *state, struct error *err);
/* config.json, as it was read when the container was made. */
int state_load_config(const struct state *state, struct spec *spec, struct error *err);

/* processes.c: those of the container, by its cgroup or else by its pid namespace. */
struct pid_list {
	pid_t *items;
	size_t len, cap;
};
int state_processes(const struct state *state, struct pid_list *pids, struct error *err);
/* Cgroups that limits or a freezer need and that were not made at its start, with all of it. */
int state_extend_cgroup(struct state *state, const struct spec_resources *resources,
                        bool wants_freezer, struct error *err);
/* Others may have extended it: as it is on the disk. */
int state_reload_cgroup(struct state *state, struct error *err);

/* From before there is a process until its root, mounts and namespaces are its own. */
int state_begin_creating(const struct state *state, const struct spec *spec, struct error *err);
int state_end_creating(const struct state *state, struct error *err);
bool state_is_creating(const struct state *state);
/* Until that is over, or its process; ERR_TIMEOUT after some seconds. */
int state_wait_created(const struct state *state, struct error *err);
/* state_load() of one that may be about to be made: waits for it as long. */
int state_wait_load(struct state *state, int root, const char *id, struct error *err);

/* The socket that `start` connects to. */
int state_listen_start(const struct state *state, struct error *err);
int state_connect_start(const struct state *state, struct error *err);
bool state_is_waiting(const struct state *state);
void state_remove_start(const struct state *state);
