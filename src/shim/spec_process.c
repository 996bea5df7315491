#include "base/error.h"
#include "shim/capability.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define ENV_MAX   65536
#define UMASK_DEF 022

static int parse_console_size(struct spec_process *process, const struct node *node,
                              struct error *err)
{
	struct node size;
	int64_t rows = 0, cols = 0;

	if (node_object(node, "consoleSize", &size, err) < 0)
		return -1;
	if (node_exists(&size) && (node_int(&size, "height", 0, UINT16_MAX, &rows, err) < 0 ||
	                           node_int(&size, "width", 0, UINT16_MAX, &cols, err) < 0))
		return -1;
	process->rows = (uint16_t)rows;
	process->cols = (uint16_t)cols;
	return 0;
}

static int parse_user(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node user, groups;
	int64_t mask = UMASK_DEF;

	if (node_object(node, "user", &user, err) < 0)
		return -1;
	if (node_u32(&user, "uid", &process->uid, err) < 0 ||
	    node_u32(&user, "gid", &process->gid, err) < 0 ||
	    node_int(&user, "umask", 0, 0777, &mask, err) < 0 ||
	    node_array(&user, "additionalGids", &groups, err) < 0)
		return -1;
	if (process->uid == UINT32_MAX || process->gid == UINT32_MAX)
		return node_error(&user, err, "%u is not an id", UINT32_MAX);
	process->umask = (uint32_t)mask;
	for (size_t i = 0; i < node_len(&groups); i++) {
		struct node item = node_item(&groups, i);
		int64_t gid;

		if (node_as_int(&item, 0, UINT32_MAX - 1, &gid, err) < 0)
			return -1;
		*array_add(&process->groups) = (gid_t)gid;
	}
	return 0;
}

static int parse_args(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node args = node_child(node, "args");
	struct node env = node_child(node, "env");

	if (node_strv(node, "args", &process->args, err) < 0 ||
	    node_strv(node, "env", &process->env, err) < 0)
		return -1;
	if (process->args.len == 0)
		return node_error(&args, err, "must have at least one element");
	if (process->env.len > ENV_MAX)
		return node_error(&env, err, "has more than %d elements", ENV_MAX);
	for (size_t i = 0; i < process->env.len; i++) {
		struct node item = node_item(&env, i);
		const char *equals = strchr(process->env.items[i], '=');

		if (!equals || equals == process->env.items[i])
			return node_error(&item, err, "must be NAME=value");
	}
	return 0;
}

static int parse_cwd(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node cwd = node_child(node, "cwd");

	if (node_as_str(&cwd, &process->cwd, err) < 0)
		return -1;
	if (process->cwd[0] != '/')
		return node_error(&cwd, err, "must be an absolute path, not \"%s\"", process->cwd);
	if (strlen(process->cwd) >= PATH_MAX)
		return node_error(&cwd, err, "is longer than %d bytes", PATH_MAX - 1);
	return 0;
}

bool spec_cap_add(uint64_t *set, const char *name)
{
	int cap = capability_number(name);

	if (cap < 0)
		return false;
	*set |= UINT64_C(1) << cap;
	return true;
}

/* The specification: what cannot be granted is told, and is no reason to fail. */
static int parse_cap_set(struct spec_process *process, const struct node *caps, const char *key,
                         uint64_t *set, struct error *err)
{
	struct node array;

	if (node_array(caps, key, &array, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&array); i++) {
		struct node item = node_item(&array, i);
		const char *name = NULL;

		if (node_as_str(&item, &name, err) < 0)
			return -1;
		if (!spec_cap_add(set, name) && !strv_has(&process->unknown_caps, name))
			strv_add(&process->unknown_caps, name);
	}
	return 0;
}

static int parse_caps(struct spec_process *process, const struct node *node, struct error *err)
{
	struct spec_caps *caps = &process->caps;
	struct node object;

	if (node_object(node, "capabilities", &object, err) < 0 ||
	    parse_cap_set(process, &object, "bounding", &caps->bounding, err) < 0 ||
	    parse_cap_set(process, &object, "effective", &caps->effective, err) < 0 ||
	    parse_cap_set(process, &object, "inheritable", &caps->inheritable, err) < 0 ||
	    parse_cap_set(process, &object, "permitted", &caps->permitted, err) < 0 ||
	    parse_cap_set(process, &object, "ambient", &caps->ambient, err) < 0)
		return -1;
	if (caps->effective & ~caps->permitted)
		return node_error(&object, err, "effective has more than permitted");
	return 0;
}

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

static int parse_rlimit(struct spec_process *process, const struct node *node, struct error *err)
{
	struct spec_rlimit limit = {.resource = -1};

	if (node_need_object(node, err) < 0 || node_need(node, "soft", err) < 0 ||
	    node_need(node, "hard", err) < 0 || node_need_str(node, "type", &limit.name, err) < 0 ||
	    node_u64(node, "soft", &limit.soft, err) < 0 ||
	    node_u64(node, "hard", &limit.hard, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(rlimit_names); i++)
		if (str_eq(limit.name, rlimit_names[i].name))
			limit.resource = rlimit_names[i].resource;
	if (limit.resource < 0)
		return node_error(node, err, "\"%s\" is not a limit", limit.name);
	if (limit.soft > limit.hard)
		return node_error(node, err, "soft is above hard");
	array_foreach(other, &process->rlimits)
		if (other->resource == limit.resource)
			return node_error(node, err, "%s is there twice", limit.name);
	*array_add(&process->rlimits) = limit;
	return 0;
}

static int parse_rlimits(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node rlimits;

	if (node_array(node, "rlimits", &rlimits, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&rlimits); i++) {
		struct node item = node_item(&rlimits, i);

		if (parse_rlimit(process, &item, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_oom_score(struct spec_process *process, const struct node *node, struct error *err)
{
	struct node oom = node_child(node, "oomScoreAdj");
	int64_t value = 0;

	if (!node_exists(&oom))
		return 0;
	if (node_as_int(&oom, -1000, 1000, &value, err) < 0)
		return -1;
	process->has_oom_score_adj = true;
	process->oom_score_adj = (int)value;
	return 0;
}

int spec_process_parse(struct spec_process *process, const struct node *node, struct error *err)
{
	process->is_set = true;
	if (node_need_object(node, err) < 0 ||
	    node_bool(node, "terminal", &process->terminal, err) < 0 ||
	    parse_console_size(process, node, err) < 0 || parse_user(process, node, err) < 0 ||
	    parse_args(process, node, err) < 0 || parse_cwd(process, node, err) < 0 ||
	    parse_caps(process, node, err) < 0 || parse_rlimits(process, node, err) < 0 ||
	    node_bool(node, "noNewPrivileges", &process->no_new_privileges, err) < 0 ||
	    parse_oom_score(process, node, err) < 0 ||
	    node_str(node, "apparmorProfile", &process->apparmor, err) < 0 ||
	    node_str(node, "selinuxLabel", &process->selinux_label, err) < 0)
		return -1;
	return spec_process_tuning_parse(process, node, err);
}

void spec_process_release(struct spec_process *process)
{
	array_release(&process->groups);
	array_release(&process->rlimits);
	strv_release(&process->args);
	strv_release(&process->env);
	strv_release(&process->unknown_caps);
	*process = (struct spec_process){0};
}
