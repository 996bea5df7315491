/*
 * state_db - what the daemon remembers across restarts: projects, the ports
 * their services got, and what the user has approved by typing `up`.
 *
 * SQLite in WAL mode, 0600, in the state directory.  Environments and other
 * values that may be secret are never in it.  Each call is one transaction;
 * calls block for the disk.  The schema's version is PRAGMA user_version.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct state_db;

struct state_project {
	const char *id, *root, *name, *domain; /* borrowed in the callbacks below */
};

struct state_db *state_db_open(const char *path, struct error *err);
void state_db_close(struct state_db *db);

/* Inserts or replaces. */
int state_db_put_project(struct state_db *db, const struct state_project *project,
                         struct error *err);
typedef void state_project_fn(const struct state_project *project, void *data);
int state_db_each_project(struct state_db *db, state_project_fn *fn, void *data, struct error *err);
/* Forgets the project and the ports of its services. */
int state_db_drop_project(struct state_db *db, const char *id, struct error *err);

/* owner is "<project id>/<service>". */
int state_db_put_port(struct state_db *db, const char *owner, int port, struct error *err);
typedef void state_port_fn(const char *owner, int port, void *data);
int state_db_each_port(struct state_db *db, state_port_fn *fn, void *data, struct error *err);

/* The last run of a service: what the supervisor wants back after a restart of the daemon. */
struct state_run {
	const char *service; /* the texts are borrowed in the callback below */
	uint32_t run;
	const char *fingerprint;
	bool wanted, ready;
};

int state_db_put_run(struct state_db *db, const char *project, const struct state_run *run,
                     struct error *err);
typedef void state_run_fn(const struct state_run *run, void *data);
int state_db_each_run(struct state_db *db, const char *project, state_run_fn *fn, void *data,
                      struct error *err);

/* Records that the user ran the configuration with this digest ("sha256:…"). */
int state_db_approve(struct state_db *db, const char *root, const char *digest, int64_t real_ns,
                     struct error *err);
int state_db_is_approved(struct state_db *db, const char *root, const char *digest, bool *ret,
                         struct error *err);
