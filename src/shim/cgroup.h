/*
 * cgroup - where a container's processes are counted, limited, frozen and killed.
 *
 * Nothing is assumed about versions: cgroup_host_read() lists the hierarchies
 * that are mounted, and each controller is looked up in them, so v1, v2, hybrid
 * and none are the same code.  A limit that was asked for and cannot be set is
 * an error unless the request says otherwise; without limits a host that gives
 * us no cgroup is fine.
 *
 * A struct cgroup is the container's directories, as kept in its state.
 * Specified in the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst.
 */
#pragma once

#include "base/array.h"
#include "base/attrs.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct spec_resources;

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID };

struct cgroup_tree {
	char *point;       /* where it is mounted */
	char *root;        /* which part of the hierarchy is mounted there */
	char *controllers; /* "cpu,cpuacct", "name=systemd"; v2: as in cgroup.controllers */
	char *own;         /* our own path in the hierarchy */
	bool is_v2;
};

struct cgroup_host {
	ARRAY(struct cgroup_tree) trees;
};

struct cgroup_dir {
	char *path, *controllers;
	bool is_v2;
	bool is_ours; /* we made it, so we may kill what is in it and remove it */
};

struct cgroup {
	ARRAY(struct cgroup_dir) dirs;
};

int cgroup_host_read(struct cgroup_host *host, struct error *err);
/* From the texts of /proc/self/mountinfo and /proc/self/cgroup. */
int cgroup_host_parse(struct cgroup_host *host, const char *mountinfo, const char *self,
                      struct error *err);
void cgroup_host_release(struct cgroup_host *host);
enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host);
const char *cgroup_mode_name(enum cgroup_mode mode);
bool cgroup_has_controller(const char *controllers, const char *name);
/* NULL when the host does not have it. */
const struct cgroup_tree *cgroup_tree_of(const struct cgroup_host *host, const char *controller);

struct cgroup_request {
	const char *id, *path; /* path: linux.cgroupsPath, NULL when not given */
	const struct spec_resources *resources;
	bool wants_devices; /* apply the device rules */
	bool wants_freezer;
	bool wants_all;      /* in every hierarchy: the container gets to see them */
	bool may_be_without; /* of limits, where nobody gave the caller a cgroup */
};

/*
 * Makes the directories and sets the limits; undone on failure.  Returns 1 when none
 * was made, as the request allows, though it has limits: *err says why.
 */
int cgroup_make(struct cgroup *cgroup, const struct cgroup_host *host,
                const struct cgroup_request *request, struct error *err);
/*
 * The v2 cgroup that we are in is ours alone: we leave it for one below, so that it can hand
 * controllers down to those beside us.
 */
#define CGROUP_OWN_HELP "the cgroup (v2) it is started in is its own"
int cgroup_make_room(const struct cgroup_host *host, struct error *err);
/* What the request needs beyond `cgroup`, as directories in *more; puts nobody there. */
int cgroup_extend(const struct cgroup *cgroup, const struct cgroup_host *host,
                  const struct cgroup_request *request, struct cgroup *more, struct error *err);
/* Can it be frozen, and can each of these limits be set, with the directories it has? */
bool cgroup_can_freeze(const struct cgroup *cgroup);
bool cgroup_has_limits(const struct cgroup *cgroup, const struct spec_resources *resources);
/* Puts the process back where it belongs, out of a v1 cgroup where somebody else froze it. */
void cgroup_take_back(const struct cgroup *cgroup, pid_t pid);
/* Sets limits of an existing container (`update`). */
int cgroup_set_limits(const struct cgroup *cgroup, const struct spec_resources *resources,
                      struct error *err);
/* Below it when `sub` is not NULL; without ".." in it. */
int cgroup_join(const struct cgroup *cgroup, const char *sub, pid_t pid, bool skip_v2,
                struct error *err);
/* The v2 directory for CLONE_INTO_CGROUP; -1 where there is none (no error). */
int cgroup_open_v2(const struct cgroup *cgroup);

int cgroup_list(const struct cgroup *cgroup, int (*each)(pid_t pid, void *data), void *data,
                struct error *err);
/* SIGKILL goes through cgroup.kill where there is one. */
int cgroup_signal(const struct cgroup *cgroup, int signo, struct error *err);
int cgroup_freeze(const struct cgroup *cgroup, bool frozen, struct error *err);
bool cgroup_is_frozen(const struct cgroup *cgroup);
/* Waits (bounded) for the last process to leave, then removes the directories. */
int cgroup_remove(struct cgroup *cgroup, struct error *err);
void cgroup_release(struct cgroup *cgroup);

/* A file of a cgroup. */
struct strbuf;
int cgroup_write(const char *dir, const char *name, const char *value, struct error *err);
int cgroup_read(const char *dir, const char *name, struct strbuf *out, struct error *err);

/* cgroup_devices.c: which device nodes may be used. */
int cgroup_set_devices(const struct cgroup *cgroup, const struct spec_resources *resources,
                       struct error *err);
