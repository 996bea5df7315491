#include "base/error.h"
#include "shim/node.h"
#include "shim/spec.h"

static int parse_hook(struct spec_hook *hook, const struct node *node, struct error *err)
{
	struct node env = node_child(node, "env");
	int64_t timeout = 0;

	if (node_need_object(node, err) < 0 || node_need_str(node, "path", &hook->path, err) < 0 ||
	    node_strv(node, "args", &hook->args, err) < 0 ||
	    node_strv(node, "env", &hook->env, err) < 0 ||
	    node_int(node, "timeout", 1, 86400, &timeout, err) < 0)
		return -1;
	if (hook->path[0] != '/')
		return node_error(node, err, "path must be absolute, not \"%s\"", hook->path);
	if (hook->args.len == 0)
		strv_add(&hook->args, hook->path);
	hook->has_env = node_exists(&env);
	hook->timeout_s = (int)timeout;
	return 0;
}

int spec_hooks_parse(struct spec_hooks hooks[HOOK_COUNT], const struct node *node,
                     struct error *err)
{
	static const char *const names[HOOK_COUNT] = {
		[HOOK_PRESTART] = "prestart",
		[HOOK_CREATE_RUNTIME] = "createRuntime",
		[HOOK_CREATE_CONTAINER] = "createContainer",
		[HOOK_START_CONTAINER] = "startContainer",
		[HOOK_POSTSTART] = "poststart",
		[HOOK_POSTSTOP] = "poststop",
	};

	for (size_t kind = 0; kind < HOOK_COUNT; kind++) {
		struct node list;

		if (node_array(node, names[kind], &list, err) < 0)
			return -1;
		for (size_t i = 0; i < node_len(&list); i++) {
			struct node item = node_item(&list, i);

			if (parse_hook(array_add(&hooks[kind]), &item, err) < 0)
				return -1;
		}
	}
	return 0;
}
