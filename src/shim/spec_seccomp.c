#include "base/error.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>

static const struct {
	const char *name;
	uint32_t action;
	bool has_errno;
} actions[] = {
	{"SCMP_ACT_KILL", SCMP_ACT_KILL, false},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG, false},
	{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
	{"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, false},
};

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = {
	{"SCMP_CMP_NE", SCMP_CMP_NE},
	{"SCMP_CMP_LT", SCMP_CMP_LT},
	{"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ},
	{"SCMP_CMP_GE", SCMP_CMP_GE},
	{"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

/* The action under `key` with the errno under `errno_key`; EPERM where there is none. */
static int parse_action(const struct node *object, const char *key, const char *errno_key,
                        uint32_t *ret, struct error *err)
{
	struct node action = node_child(object, key);
	struct node code = node_child(object, errno_key);
	const char *name = NULL;
	int64_t number = EPERM;

	if (node_as_str(&action, &name, err) < 0 ||
	    node_int(object, errno_key, 0, 4095, &number, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (!str_eq(actions[i].name, name))
			continue;
		if (node_exists(&code) && !actions[i].has_errno)
			return node_error(&code, err, "%s has no errno", name);
		*ret = actions[i].action | (actions[i].has_errno ? (uint32_t)number : 0);
		return 0;
	}
	return node_error(&action, err, "\"%s\" is not an action", name);
}

static int parse_arg(struct spec_syscall_rule *rule, const struct node *node, struct error *err)
{
	struct spec_syscall_arg arg = {0};
	struct node op = node_child(node, "op");
	const char *name = NULL;
	int64_t index = 0;

	if (node_need_object(node, err) < 0 || node_need(node, "index", err) < 0 ||
	    node_need(node, "value", err) < 0 || node_int(node, "index", 0, 5, &index, err) < 0 ||
	    node_u64(node, "value", &arg.value, err) < 0 ||
	    node_u64(node, "valueTwo", &arg.value_two, err) < 0 || node_as_str(&op, &name, err) < 0)
		return -1;
	arg.index = (unsigned)index;
	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (str_eq(operators[i].name, name))
			arg.op = operators[i].op;
	if (!arg.op)
		return node_error(&op, err, "\"%s\" is not an operator", name);
	*array_add(&rule->args) = arg;
	return 0;
}

static int parse_rule(struct spec_seccomp *seccomp, const struct node *node, struct error *err)
{
	struct spec_syscall_rule *rule = array_add(&seccomp->rules);
	struct node args, names = node_child(node, "names");

	if (node_need_object(node, err) < 0 || node_strv(node, "names", &rule->names, err) < 0 ||
	    node_array(node, "args", &args, err) < 0)
		return -1;
	if (rule->names.len == 0)
		return node_error(&names, err, "must have at least one element");
	if (parse_action(node, "action", "errnoRet", &rule->action, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&args); i++) {
		struct node item = node_item(&args, i);

		if (parse_arg(rule, &item, err) < 0)
			return -1;
	}
	return 0;
}

/* "SCMP_ARCH_X86_64" is libseccomp's "x86_64". */
static int parse_arch(struct spec_seccomp *seccomp, const struct node *node, struct error *err)
{
	const char *name = NULL;
	char lower[32] = "";
	uint32_t arch = 0;
	size_t len;

	if (node_as_str(node, &name, err) < 0)
		return -1;
	if (str_starts(name, "SCMP_ARCH_") && str_copy(lower, sizeof(lower), name + 10)) {
		len = strlen(lower);
		for (size_t i = 0; i < len; i++)
			if (lower[i] >= 'A' && lower[i] <= 'Z')
				lower[i] = (char)(lower[i] + 'a' - 'A');
		arch = seccomp_arch_resolve_name(lower);
	}
	if (!arch)
		return node_error(node, err, "\"%s\" is not an architecture", name);
	*array_add(&seccomp->arches) = arch;
	return 0;
}

static int parse_flags(struct spec_seccomp *seccomp, const struct node *node, struct error *err)
{
	struct node flags;

	if (node_array(node, "flags", &flags, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&flags); i++) {
		struct node item = node_item(&flags, i);
		const char *name = NULL;

		if (node_as_str(&item, &name, err) < 0)
			return -1;
		if (str_eq(name, "SECCOMP_FILTER_FLAG_LOG"))
			seccomp->flags |= SECCOMP_FILTER_FLAG_LOG;
		else if (str_eq(name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			seccomp->flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (str_eq(name, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
			seccomp->flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
		else if (!str_eq(name, "SECCOMP_FILTER_FLAG_TSYNC"))
			return node_error(&item, err, "\"%s\" is not a flag", name);
	}
	return 0;
}

/* The filter is there before its listener is known; see listener.h. */
static int check_notified(const struct spec_seccomp *seccomp, const struct node *node,
                          bool *ret_is_used, struct error *err)
{
	if (seccomp->default_action == SCMP_ACT_NOTIFY)
		return node_error(node, err,
		                  "SCMP_ACT_NOTIFY cannot be the default: write(2) must pass");
	array_foreach(rule, &seccomp->rules) {
		if (rule->action != SCMP_ACT_NOTIFY)
			continue;
		*ret_is_used = true;
		for (size_t i = 0; i < rule->names.len; i++)
			if (str_eq(rule->names.items[i], "write"))
				return node_error(node, err,
				                  "SCMP_ACT_NOTIFY cannot be used for `write`");
	}
	return 0;
}

static int parse_listener(struct spec_seccomp *seccomp, const struct node *node, struct error *err)
{
	struct node metadata = node_child(node, "listenerMetadata");
	struct node path = node_child(node, "listenerPath");
	bool is_used = false;

	if (node_str(node, "listenerPath", &seccomp->listener_path, err) < 0 ||
	    node_str(node, "listenerMetadata", &seccomp->listener_metadata, err) < 0 ||
	    check_notified(seccomp, node, &is_used, err) < 0)
		return -1;
	if (str_empty(seccomp->listener_path)) {
		seccomp->listener_path = NULL;
		if (is_used)
			return node_error(node, err, "SCMP_ACT_NOTIFY needs listenerPath");
		if (!str_empty(seccomp->listener_metadata))
			return node_error(&metadata, err, "needs listenerPath");
	} else if (seccomp->listener_path[0] != '/') {
		return node_error(&path, err, "must be absolute, not \"%s\"",
		                  seccomp->listener_path);
	}
	if (!is_used && seccomp->flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		return node_error(node, err,
		                  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY");
	/* As the specification says, it is ignored then. */
	if (!is_used)
		seccomp->listener_path = NULL;
	return 0;
}

int spec_seccomp_parse(struct spec_seccomp *seccomp, const struct node *node, struct error *err)
{
	struct node arches, rules;

	if (parse_action(node, "defaultAction", "defaultErrnoRet", &seccomp->default_action, err) <
	            0 ||
	    parse_flags(seccomp, node, err) < 0 ||
	    node_array(node, "architectures", &arches, err) < 0 ||
	    node_array(node, "syscalls", &rules, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&arches); i++) {
		struct node item = node_item(&arches, i);

		if (parse_arch(seccomp, &item, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < node_len(&rules); i++) {
		struct node item = node_item(&rules, i);

		if (parse_rule(seccomp, &item, err) < 0)
			return -1;
	}
	seccomp->is_set = true;
	return parse_listener(seccomp, node, err);
}
