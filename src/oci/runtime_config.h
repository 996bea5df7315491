/*
 * runtime_config - the config.json of a container, from an image and what the
 * caller wants to be different.
 *
 * The root file system is the first mount: an overlay on "/" of the image's
 * unpacked layers and the container's own upper directory (docs/architecture.md,
 * "Container"), or root_choice.h's other ways.  Users are resolved in the image's own /etc/passwd
 * and /etc/group, read through the layers, never through the host's files.
 *
 * Pure but for those reads: it makes a JSON value, container_dir writes it.
 * Format: OCI runtime-spec 1.2.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"
#include "base/userns.h"
#include "oci/image.h"
#include "oci/root_choice.h"

enum container_mount_type { CONTAINER_BIND, CONTAINER_TMPFS, CONTAINER_VOLUME };

struct container_mount {
	enum container_mount_type type;
	const char *source; /* host path of a bind mount or a volume */
	const char *target; /* absolute path in the container */
	bool is_readonly;
	bool no_copy; /* of a volume: begins empty */
	/* runtime_idmap.h: its owners are mapped; or why they cannot be (owned), else NULL */
	bool is_mapped;
	char *unmapped_because;
	int64_t size; /* of a tmpfs in bytes; 0: no limit of its own */
};

struct container_request {
	const struct store *store;
	const struct image *image;
	const char *hostname; /* NULL: the host's name is not shown; "locald" */
	const char *cwd;      /* NULL: the image's working directory, else "/" */
	const char *user;     /* "name", "uid", "name:group", "uid:gid"; NULL: the image's */
	struct strv args;     /* empty: the image's entrypoint and cmd */
	bool keep_entrypoint; /* args replace only the cmd */
	struct strv env;      /* NAME=value on top of the image's */
	ARRAY(struct container_mount) mounts;
	/* Additional groups (numbers). */
	ARRAY(uint32_t) groups;
	bool is_readonly; /* the root file system */
	bool terminal;
	int64_t memory_bytes, pids; /* 0: no limit */
	int64_t cpu_millis;         /* thousandths of a processor; 0: no limit */
	/* A network of its own: */
	bool has_own_network;
	struct strv network_hook;     /* runs before the program, outside; empty: none */
	struct strv network_end_hook; /* runs after its end; empty: none */
	struct strv network_hosts;    /* further lines of /etc/hosts */
	bool has_way_out;
	const struct root_choice *root; /* NULL: the kernel's overlay */
	const char *network_resolver;   /* in place of one of the host's that is on its loopback */
};

void container_request_release(struct container_request *request);

/* Where the bundle's own files are; all absolute. */
struct container_paths {
	const char *dir;    /* of the container: rw/upper, rw/work */
	const char *rootfs; /* a mount point, or a copy of the image */
	const char *resolv_conf, *hosts, *hostname;
	const char *reason; /* the runtime writes why it ended, where it knows more than a code */
};

struct container_user {
	uint32_t uid, gid;
	char *home; /* NULL when there is no entry */
	char *name;
	ARRAY(uint32_t) groups;
};

void container_user_release(struct container_user *user);

/* Resolves a user text in the image; ERR_NOT_FOUND for a name it does not have. */
int container_user_resolve(const struct store *store, const struct image *image, const char *text,
                           struct container_user *ret, struct error *err);

/* The map of the caller, or for a single id one that makes the caller that user inside. */
int runtime_config_map(const struct container_user *user, struct userns_map *ret,
                       struct error *err);

json_t *runtime_config_new(const struct container_request *request,
                           const struct container_paths *paths, const struct container_user *user,
                           const struct userns_map *map, struct error *err);
