/*
 * spec - a config.json as structs, checked whole before anything is done.
 *
 * spec_load() refuses what is wrong and what we do not do, by its JSON path
 * (ERR_CONFIG, ERR_UNSUPPORTED); unknown properties are ignored, as the
 * specification says.  Strings are borrowed from the document, which the spec
 * owns: they live until spec_release().
 *
 * It looks at no file but config.json; what depends on the host (LSMs,
 * cgroups, capabilities) is checked where it is used.
 * Format: https://github.com/opencontainers/runtime-spec (1.2)
 */
#pragma once

#include "base/array.h"
#include "base/attrs.h"
#include "base/str.h"
#include "shim/mount_options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct node;

#define SPEC_FILE_MAX (16 * 1024 * 1024)
#define SPEC_VERSION  "1.2.0"

enum spec_ns { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_COUNT };

struct spec_namespace {
	bool is_set;
	const char *path; /* NULL: a new one */
};

struct spec_extent {
	uint32_t inside, outside, count;
};
struct spec_extents {
	struct spec_extent *items;
	size_t len, cap;
};

struct spec_rlimit {
	const char *name;
	int resource;
	uint64_t soft, hard;
};

struct spec_caps {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* Numbers of processors or of memory nodes. */
#define SPEC_NUMBERS_MAX 1024
struct spec_numbers {
	bool is_set;
	uint64_t bits[SPEC_NUMBERS_MAX / 64];
};

struct spec_memory_policy {
	bool is_set;
	uint32_t mode; /* as set_mempolicy(2) takes it, with its flags */
	struct spec_numbers nodes;
};

struct spec_time_offset {
	bool is_set;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_process {
	bool is_set;
	bool terminal;
	uint16_t rows, cols;
	uint32_t uid, gid, umask;
	ARRAY(gid_t) groups;
	struct strv args, env;
	const char *cwd;
	struct spec_caps caps;
	struct strv unknown_caps; /* names without a meaning here: told, not refused */
	ARRAY(struct spec_rlimit) rlimits;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	const char *apparmor, *selinux_label;
	bool has_io_priority;
	int io_priority; /* as ioprio_set(2) takes it */
	bool has_scheduler;
	struct spec_scheduler {
		uint32_t policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} scheduler;
	struct spec_numbers first_cpus, cpus; /* before and after it is in its cgroup */
};

struct spec_mount {
	const char *destination, *type, *source;
	struct spec_extents uid_map, gid_map; /* of an id-mapped mount; none: the container's */
	struct mount_options options;
};

struct spec_device {
	const char *path;
	mode_t type; /* S_IFCHR, S_IFBLK or S_IFIFO */
	mode_t mode;
	uint32_t major, minor, uid, gid;
};

struct spec_hook {
	const char *path;
	struct strv args, env;
	bool has_env;          /* else it gets the shim's */
	int timeout_s;         /* 0: none */
	const char *out, *err; /* files for what it writes, or NULL */
};
struct spec_hooks {
	struct spec_hook *items;
	size_t len, cap;
};

enum spec_hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_COUNT
};

/* A cgroup file and what goes into it, in both versions. */
struct spec_limit {
	const char *what; /* "memory.limit" */
	const char *controller;
	const char *v1_file, *v1_value; /* NULL: nothing to write in v1 */
	const char *v2_file, *v2_value; /* NULL: v2 has no such thing */
};

struct spec_device_rule {
	bool allow;
	char type;            /* 'a', 'b' or 'c' */
	int64_t major, minor; /* -1: any */
	bool read, write, mknod;
};

struct spec_resources {
	ARRAY(struct spec_limit) limits;
	ARRAY(struct spec_device_rule) devices;
	struct strv owned; /* what the limits point at */
};

struct spec_syscall_arg {
	unsigned index;
	uint64_t value, value_two;
	int op; /* enum scmp_compare */
};

struct spec_syscall_rule {
	struct strv names;
	uint32_t action;
	ARRAY(struct spec_syscall_arg) args;
};

struct spec_seccomp {
	bool is_set;
	bool is_strict; /* an unknown system call is an error */
	uint32_t default_action;
	unsigned flags;         /* SECCOMP_FILTER_FLAG_* */
	ARRAY(uint32_t) arches; /* SCMP_ARCH_* */
	ARRAY(struct spec_syscall_rule) rules;
	const char *listener_path; /* NULL: nothing is notified */
	const char *listener_metadata;
};

struct spec_pair {
	const char *key, *value;
};

struct spec {
	json_t *json;
	char *text; /* NUL-terminated; NULL when it did not come from a file */
	const char *version, *hostname, *domainname;
	const char *root_path;
	bool root_readonly;
	struct spec_process process;
	ARRAY(struct spec_mount) mounts;
	struct spec_hooks hooks[HOOK_COUNT];
	json_t *annotations; /* borrowed, may be NULL */
	struct spec_namespace ns[NS_COUNT];
	struct spec_extents uid_map, gid_map;
	ARRAY(struct spec_device) devices;
	ARRAY(struct spec_pair) sysctls;
	ARRAY(struct spec_pair) net_devices; /* from a name of the host to one inside */
	const char *mount_label;
	struct strv masked_paths, readonly_paths;
	const char *cgroups_path;
	struct spec_resources resources;
	unsigned long propagation; /* MS_* of the root file system, 0: default */
	struct spec_seccomp seccomp;
	struct spec_memory_policy memory_policy;
	struct spec_time_offset monotonic, boottime;
	bool has_personality;
	unsigned long personality;
};

/* Reads and checks a config.json; spec->text is the file as it was read. */
int spec_load(struct spec *spec, const char *path, struct error *err);
/* The same from text; for tests. */
int spec_parse(struct spec *spec, const char *text, size_t len, struct error *err);
void spec_release(struct spec *spec);

/* A process of its own, as `exec --process` gives it; `json` must outlive it. */
int spec_process_parse(struct spec_process *process, const struct node *node, struct error *err);
void spec_process_release(struct spec_process *process);
/* Adds one capability by name to a set; false when this library has no such name. */
bool spec_cap_add(uint64_t *set, const char *name);

/* The resources object of config.json and of `update`. */
int spec_resources_parse(struct spec_resources *resources, const struct node *node,
                         struct error *err);
void spec_resources_release(struct spec_resources *resources);

/* The parts of config.json, each in its own file. */
int spec_process_tuning_parse(struct spec_process *process, const struct node *node,
                              struct error *err);
int spec_memory_policy_parse(struct spec_memory_policy *policy, const struct node *node,
                             struct error *err);
/* uidMappings or gidMappings. */
int spec_map_parse(const struct node *node, const char *key, struct spec_extents *map,
                   struct error *err);
/* Both as the text of crun's mount option: "uids=0-1000-1#…;gids=…". */
int spec_map_parse_text(const struct node *node, const char *text, struct spec_mount *mount,
                        struct error *err);
int spec_linux_parse(struct spec *spec, const struct node *node, struct error *err);
int spec_mount_parse(struct spec_mount *mount, const struct node *node, struct error *err);
int spec_seccomp_parse(struct spec_seccomp *seccomp, const struct node *node, struct error *err);
int spec_hooks_parse(struct spec_hooks hooks[HOOK_COUNT], const struct node *node,
                     struct error *err);
