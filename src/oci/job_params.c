#include "oci/job_params.h"

#include "base/error.h"

int job_params_list(const json_t *params, const char *key, struct strv *out, struct error *err)
{
	return json_to_strv(json_object_get(params, key), key, out, err);
}

int job_params_pairs(const json_t *params, const char *key, struct strv *out, struct error *err)
{
	json_t *pairs = json_object_get(params, key);
	const char *name;
	json_t *value;

	if (!pairs || json_is_null(pairs))
		return 0;
	if (!json_is_object(pairs))
		return error_set(err, ERR_USAGE, "\"%s\" is not an object", key);
	json_object_foreach(pairs, name, value) {
		if (!json_is_string(value) || !*name || strchr(name, '='))
			return error_set(err, ERR_USAGE, "\"%s\": \"%s\" is no name with a text",
			                 key, name);
		strv_addf(out, "%s=%s", name, json_string_value(value));
	}
	return 0;
}

static int parse_mount(const json_t *value, struct container_mount *ret, struct error *err)
{
	const char *type = json_get_str(value, "type", "bind");

	*ret = (struct container_mount){
		.source = json_get_str(value, "source", NULL),
		.target = json_get_str(value, "target", NULL),
		.is_readonly = json_get_bool(value, "readonly", false),
		.no_copy = json_get_bool(value, "no_copy", false),
		.size = json_get_int(value, "size", 0),
	};
	if (str_eq(type, "bind"))
		ret->type = CONTAINER_BIND;
	else if (str_eq(type, "tmpfs"))
		ret->type = CONTAINER_TMPFS;
	else if (str_eq(type, "volume"))
		ret->type = CONTAINER_VOLUME;
	else
		return error_set(err, ERR_USAGE,
		                 "mount type \"%s\" is neither bind nor tmpfs nor volume", type);
	return 0;
}

static int parse_mounts(const json_t *mounts, struct container_request *ret, struct error *err)
{
	const json_t *value;
	size_t i;

	if (mounts && !json_is_null(mounts) && !json_is_array(mounts))
		return error_set(err, ERR_USAGE, "\"mounts\" is not an array");
	json_array_foreach(mounts, i, value)
		if (parse_mount(value, array_add(&ret->mounts), err) < 0)
			return -1;
	return 0;
}

static int parse_groups(const json_t *groups, struct container_request *ret, struct error *err)
{
	const json_t *value;
	size_t i;

	json_array_foreach(groups, i, value) {
		int64_t gid = json_is_integer(value) ? json_integer_value(value) : -1;

		if (gid < 0 || gid > UINT32_MAX - 1)
			return error_set(err, ERR_USAGE,
			                 "\"groups\" holds something else than ids");
		*array_add(&ret->groups) = (uint32_t)gid;
	}
	return 0;
}

static int parse_network(const json_t *network, struct container_request *ret, struct error *err)
{
	if (!network || json_is_null(network))
		return 0;
	ret->has_own_network = true;
	ret->has_way_out = json_get_bool(network, "way_out", false);
	ret->network_resolver = json_get_str(network, "resolver", NULL);
	if (job_params_list(network, "hook", &ret->network_hook, err) < 0 ||
	    job_params_list(network, "end_hook", &ret->network_end_hook, err) < 0 ||
	    job_params_list(network, "hosts", &ret->network_hosts, err) < 0)
		return error_wrap(err, "\"network\"");
	return 0;
}

int job_params_container(const json_t *params, struct container_request *ret, struct error *err)
{
	ret->hostname = json_get_str(params, "hostname", NULL);
	ret->cwd = json_get_str(params, "cwd", NULL);
	ret->user = json_get_str(params, "user", NULL);
	ret->keep_entrypoint = json_get_bool(params, "keep_entrypoint", false);
	ret->is_readonly = json_get_bool(params, "readonly", false);
	ret->terminal = json_get_bool(params, "terminal", false);
	ret->memory_bytes = json_get_int(params, "memory_bytes", 0);
	ret->pids = json_get_int(params, "pids", 0);
	ret->cpu_millis = json_get_int(params, "cpu_millis", 0);
	if (job_params_list(params, "args", &ret->args, err) < 0 ||
	    job_params_pairs(params, "env", &ret->env, err) < 0 ||
	    parse_mounts(json_object_get(params, "mounts"), ret, err) < 0 ||
	    parse_network(json_object_get(params, "network"), ret, err) < 0)
		return -1;
	return parse_groups(json_object_get(params, "groups"), ret, err);
}
