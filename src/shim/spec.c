#include "shim/spec.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "shim/node.h"

#include <errno.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define INT64_DIGITS 19

static bool is_wide_integer(const char *digits, size_t len)
{
	return len > INT64_DIGITS ||
	       (len == INT64_DIGITS && strncmp(digits, "9223372036854775808", len) >= 0);
}

/*
 * jansson's integers are signed and Go writes 2^64-1 for "unlimited": digits
 * that need the 64th bit are put in quotes, and node_u64() takes them.
 */
static void quote_wide_integers(struct strbuf *text)
{
	struct strbuf out = STRBUF_INIT;
	bool in_string = false;
	size_t kept = 0;

	for (size_t i = 0; i < text->len; i++) {
		size_t len;

		if (text->buf[i] == '"')
			in_string = !in_string;
		else if (in_string && text->buf[i] == '\\')
			i++;
		if (in_string)
			continue;
		len = strspn(text->buf + i, "0123456789");
		if (len == 0)
			continue;
		if (is_wide_integer(text->buf + i, len) &&
		    !strchr("-.", text->buf[i ? i - 1 : 0])) {
			strbuf_add(&out, text->buf + kept, i - kept);
			strbuf_addf(&out, "\"%.*s\"", (int)len, text->buf + i);
			kept = i + len;
		}
		i += len - 1;
	}
	if (kept == 0)
		return;
	strbuf_add(&out, text->buf + kept, text->len - kept);
	strbuf_release(text);
	*text = out;
}

static int parse_version(struct spec *spec, const struct node *root, struct error *err)
{
	struct node version = node_child(root, "ociVersion");

	if (node_as_str(&version, &spec->version, err) < 0)
		return -1;
	if (!str_starts(spec->version, "1."))
		return node_error(&version, err, "\"%s\" is not a version 1 of the specification",
		                  spec->version);
	return 0;
}

static int parse_root(struct spec *spec, const struct node *root, struct error *err)
{
	struct node node;

	if (node_object(root, "root", &node, err) < 0 || node_need_object(&node, err) < 0 ||
	    node_need_str(&node, "path", &spec->root_path, err) < 0 ||
	    node_bool(&node, "readonly", &spec->root_readonly, err) < 0)
		return -1;
	if (str_empty(spec->root_path))
		return node_error(&node, err, "path is empty");
	return 0;
}

static int parse_option(struct spec_mount *mount, const struct node *node, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	const char *word = NULL;

	if (node_as_str(node, &word, err) < 0)
		return -1;
	if (str_starts(word, "idmap=") || str_starts(word, "ridmap=")) {
		mount->options.idmap_all = mount->options.idmap_all || *word == 'r';
		return spec_map_parse_text(node, strchr(word, '=') + 1, mount, err);
	}
	if (mount_options_add(&mount->options, word, &why) == 0)
		return 0;
	node_error(node, err, "%s", why.text);
	err->code = why.code;
	return -1;
}

int spec_mount_parse(struct spec_mount *mount, const struct node *node, struct error *err)
{
	struct node options;

	if (node_need_object(node, err) < 0 ||
	    node_need_str(node, "destination", &mount->destination, err) < 0 ||
	    node_str(node, "type", &mount->type, err) < 0 ||
	    node_str(node, "source", &mount->source, err) < 0 ||
	    node_array(node, "options", &options, err) < 0 ||
	    spec_map_parse(node, "uidMappings", &mount->uid_map, err) < 0 ||
	    spec_map_parse(node, "gidMappings", &mount->gid_map, err) < 0)
		return -1;
	if (str_empty(mount->destination) || strlen(mount->destination) >= PATH_MAX)
		return node_error(node, err, "destination must have 1 to %d bytes", PATH_MAX - 1);
	for (size_t i = 0; i < node_len(&options); i++) {
		struct node word = node_item(&options, i);

		if (parse_option(mount, &word, err) < 0)
			return -1;
	}
	if (!mount->options.bind && str_eq_null(mount->type, "bind"))
		mount->options.bind = true;
	if (mount->options.bind && str_empty(mount->source))
		return node_error(node, err, "a bind mount needs a source");
	if (!mount->options.bind && str_empty(mount->type))
		return node_error(node, err, "type is required");
	if (!mount->uid_map.len != !mount->gid_map.len)
		return node_error(node, err, "needs both uidMappings and gidMappings, or none");
	mount->options.idmap = mount->options.idmap || mount->uid_map.len > 0;
	if (mount->options.idmap && !mount->options.bind)
		return node_error(node, err, "only a bind mount can be id-mapped");
	if (mount->options.copy_up && !str_eq_null(mount->type, "tmpfs"))
		return node_error(node, err, "tmpcopyup is for tmpfs only");
	return 0;
}

static int parse_mounts(struct spec *spec, const struct node *root, struct error *err)
{
	struct node mounts;

	if (node_array(root, "mounts", &mounts, err) < 0)
		return -1;
	for (size_t i = 0; i < node_len(&mounts); i++) {
		struct node item = node_item(&mounts, i);

		if (spec_mount_parse(array_add(&spec->mounts), &item, err) < 0)
			return -1;
	}
	return 0;
}

static int check_host_name(const struct node *root, const char *key, const char *name,
                           struct error *err)
{
	struct node node = node_child(root, key);

	if (name && strlen(name) > 64)
		return node_error(&node, err, "is longer than 64 bytes");
	return 0;
}

static int parse_annotations(struct spec *spec, const struct node *root, struct error *err)
{
	struct node node;
	const char *key;
	json_t *value;

	if (node_object(root, "annotations", &node, err) < 0)
		return -1;
	json_object_foreach(node.json, key, value) {
		struct node item = node_child(&node, key);

		if (!json_is_string(value))
			return node_error(&item, err, "must be a string");
	}
	spec->annotations = node.json;
	return 0;
}

/* crun's annotations, where they change what other properties mean. */
static void apply_annotations(struct spec *spec)
{
	const char *out = json_get_str(spec->annotations, "run.oci.hooks.stdout", NULL);
	const char *err = json_get_str(spec->annotations, "run.oci.hooks.stderr", NULL);

	/* Those of startContainer run where no file of the host is. */
	for (size_t kind = 0; kind < HOOK_COUNT; kind++) {
		array_foreach(hook, &spec->hooks[kind]) {
			hook->out = kind == HOOK_START_CONTAINER ? NULL : out;
			hook->err = kind == HOOK_START_CONTAINER ? NULL : err;
		}
	}
	spec->seccomp.is_strict = str_eq(
		json_get_str(spec->annotations, "run.oci.seccomp_fail_unknown_syscall", "0"), "1");
}

/* What one property demands of another. */
static int check_whole(const struct spec *spec, struct error *err)
{
	const struct spec_namespace *user = &spec->ns[NS_USER];
	bool has_maps = spec->uid_map.len > 0 || spec->gid_map.len > 0;

	if (has_maps && !(user->is_set && !user->path))
		return error_set(err, ERR_CONFIG,
		                 "linux.uidMappings: there is no new user namespace to map");
	if (!spec->uid_map.len != !spec->gid_map.len)
		return error_set(err, ERR_CONFIG,
		                 "linux.uidMappings: needs linux.gidMappings, and they need it");
	if (spec->hostname && !spec->ns[NS_UTS].is_set)
		return error_set(err, ERR_CONFIG, "hostname: needs a uts namespace");
	if (spec->domainname && !spec->ns[NS_UTS].is_set)
		return error_set(err, ERR_CONFIG, "domainname: needs a uts namespace");
	for (size_t i = 1; i < spec->mounts.len; i++)
		if (str_eq(spec->mounts.items[i].destination, "/"))
			return error_set(err, ERR_CONFIG,
			                 "mounts[%zu].destination: only the first mount can be the "
			                 "root file system",
			                 i);
	return 0;
}

static int parse_document(struct spec *spec, struct error *err)
{
	const struct node root = {spec->json, NULL, NULL, 0};
	struct node process, hooks, linux_node;

	if (!json_is_object(spec->json))
		return node_error(&root, err, "must be an object");
	if (parse_version(spec, &root, err) < 0 || parse_root(spec, &root, err) < 0 ||
	    parse_mounts(spec, &root, err) < 0 ||
	    node_str(&root, "hostname", &spec->hostname, err) < 0 ||
	    node_str(&root, "domainname", &spec->domainname, err) < 0 ||
	    check_host_name(&root, "hostname", spec->hostname, err) < 0 ||
	    check_host_name(&root, "domainname", spec->domainname, err) < 0 ||
	    parse_annotations(spec, &root, err) < 0 ||
	    node_object(&root, "process", &process, err) < 0 ||
	    node_object(&root, "hooks", &hooks, err) < 0 ||
	    node_object(&root, "linux", &linux_node, err) < 0)
		return -1;
	if (node_exists(&process) && spec_process_parse(&spec->process, &process, err) < 0)
		return -1;
	if (node_exists(&hooks) && spec_hooks_parse(spec->hooks, &hooks, err) < 0)
		return -1;
	if (node_exists(&linux_node) && spec_linux_parse(spec, &linux_node, err) < 0)
		return -1;
	apply_annotations(spec);
	return check_whole(spec, err);
}

static int parse_text(struct spec *spec, struct strbuf *text, struct error *err)
{
	quote_wide_integers(text);
	spec->json = json_parse(text->buf, text->len, err);
	return spec->json ? parse_document(spec, err) : -1;
}

int spec_parse(struct spec *spec, const char *text, size_t len, struct error *err)
{
	cleanup(strbuf_release) struct strbuf copy = STRBUF_INIT;

	strbuf_add(&copy, text, len);
	return parse_text(spec, &copy, err);
}

int spec_load(struct spec *spec, const char *path, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (fs_read_file(path, SPEC_FILE_MAX, &text, err) < 0)
		return -1;
	spec->text = xstrdup(text.buf);
	if (parse_text(spec, &text, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

void spec_resources_release(struct spec_resources *resources)
{
	array_release(&resources->limits);
	array_release(&resources->devices);
	strv_release(&resources->owned);
}

void spec_release(struct spec *spec)
{
	spec_process_release(&spec->process);
	array_foreach(mount, &spec->mounts) {
		mount_options_release(&mount->options);
		array_release(&mount->uid_map);
		array_release(&mount->gid_map);
	}
	array_release(&spec->mounts);
	for (size_t i = 0; i < HOOK_COUNT; i++) {
		array_foreach(hook, &spec->hooks[i]) {
			strv_release(&hook->args);
			strv_release(&hook->env);
		}
		array_release(&spec->hooks[i]);
	}
	array_release(&spec->uid_map);
	array_release(&spec->gid_map);
	array_release(&spec->devices);
	array_release(&spec->sysctls);
	array_release(&spec->net_devices);
	strv_release(&spec->masked_paths);
	strv_release(&spec->readonly_paths);
	spec_resources_release(&spec->resources);
	array_foreach(rule, &spec->seccomp.rules) {
		strv_release(&rule->names);
		array_release(&rule->args);
	}
	array_release(&spec->seccomp.rules);
	array_release(&spec->seccomp.arches);
	json_decref(spec->json);
	free(spec->text);
	*spec = (struct spec){0};
}
