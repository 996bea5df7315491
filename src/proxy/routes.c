#include "proxy/routes.h"

#include "base/error.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static void route_release(struct route *route)
{
	free(route->host);
	free(route->project);
	free(route->service);
	free(route->state);
	free(route->detail);
	array_release(&route->ports);
	strv_release(&route->log);
}

void routes_release(struct routes *routes)
{
	array_foreach(route, &routes->items)
		route_release(route);
	array_release(&routes->items);
}

/* --- hosts --- */

/* Where the host ends in "host:port"; NULL when what follows is not a port. */
static const char *host_end(const char *value)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	const char *end = value[0] == '[' ? strchr(value, ']') : value + strcspn(value, ":");
	int64_t port;

	if (!end)
		return NULL;
	if (*end == ']')
		end++;
	if (*end == ':' && str_to_int(end + 1, 1, 65535, &port, &ignored) < 0)
		return NULL;
	return *end == '\0' || *end == ':' ? end : NULL;
}

static bool is_host_char(char c, bool is_address)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')
		return true;
	return is_address ? c == ':' || c == '[' || c == ']' : c == '-' || c == '_';
}

bool host_normalise(const char *value, char ret[HOST_SIZE])
{
	const char *end = host_end(value);
	bool is_address = value[0] == '[';
	size_t len = end ? (size_t)(end - value) : 0;

	if (len > 0 && value[len - 1] == '.')
		len--;
	if (len == 0 || len >= HOST_SIZE)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = value[i];

		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (!is_host_char(c, is_address) || (c == '.' && (i == 0 || ret[i - 1] == '.')))
			return false;
		ret[i] = c;
	}
	ret[len] = '\0';
	return ret[len - 1] != '.';
}

bool host_is_localhost(const char *host)
{
	return str_eq(host, "localhost") || str_ends(host, ".localhost");
}

/* --- the table --- */

static int compare_hosts(const void *a, const void *b)
{
	return strcmp(((const struct route *)a)->host, ((const struct route *)b)->host);
}

static int load_ports(struct route *route, const json_t *list, struct error *err)
{
	const json_t *port;
	size_t i;

	json_array_foreach(list, i, port) {
		json_int_t number = json_integer_value(port);

		if (number < 1 || number > 65535 || i >= ROUTES_MAX_PORTS)
			return error_set(err, ERR_CONFIG, "ports out of range");
		*array_add(&route->ports) = (int)number;
	}
	return 0;
}

static int load_route(struct route *route, const json_t *object, struct error *err)
{
	const char *host, *project, *service, *state;
	const json_t *log = json_object_get(object, "log");
	int64_t port = json_get_int(object, "port", 0);
	char normal[HOST_SIZE];

	if (json_need_str(object, "host", &host, err) < 0 ||
	    json_need_str(object, "project", &project, err) < 0 ||
	    json_need_str(object, "service", &service, err) < 0 ||
	    json_need_str(object, "state", &state, err) < 0)
		return -1;
	if (!host_normalise(host, normal))
		return error_set(err, ERR_CONFIG, "malformed host \"%s\"", host);
	if (port < 0 || port > 65535)
		return error_set(err, ERR_CONFIG, "%s: port out of range", host);
	if (load_ports(route, json_object_get(object, "ports"), err) < 0)
		return error_wrap(err, "%s", host);
	if (json_array_size(log) > ROUTES_MAX_LOG)
		return error_set(err, ERR_CONFIG, "%s: too many log lines", host);
	if (log && !json_is_null(log) && json_to_strv(log, "log", &route->log, err) < 0)
		return -1;
	route->host = xstrdup(normal);
	route->project = xstrdup(project);
	route->service = xstrdup(service);
	route->state = xstrdup(state);
	route->detail = xstrdup(json_get_str(object, "detail", ""));
	route->port = (int)port;
	return 0;
}

int routes_load(struct routes *routes, const json_t *message, struct error *err)
{
	cleanup(routes_release) struct routes loaded = {0};
	const json_t *list = json_object_get(message, "routes");
	struct routes old = *routes;
	const json_t *object;
	size_t i;

	if (!json_is_array(list))
		return error_set(err, ERR_CONFIG, "a table without routes");
	if (json_array_size(list) > ROUTES_MAX)
		return error_set(err, ERR_CONFIG, "more than %d routes", ROUTES_MAX);
	loaded.version = json_get_int(message, "version", 0);
	json_array_foreach(list, i, object) {
		if (load_route(array_add(&loaded.items), object, err) < 0)
			return error_wrap(err, "route %zu", i);
	}
	array_sort(&loaded.items, compare_hosts);
	for (i = 1; i < loaded.items.len; i++)
		if (compare_hosts(&loaded.items.items[i - 1], &loaded.items.items[i]) == 0)
			return error_set(err, ERR_CONFIG, "host %s is there twice",
			                 loaded.items.items[i].host);
	*routes = loaded;
	loaded = old;
	return 0;
}

const struct route *routes_find(const struct routes *routes, const char *host)
{
	struct route key = {.host = (char *)host};

	if (routes->items.len == 0)
		return NULL;
	return bsearch(&key, routes->items.items, routes->items.len, sizeof(key), compare_hosts);
}

bool routes_has_port(const struct routes *routes, int port)
{
	array_foreach(route, &routes->items) {
		if (route->port == port)
			return true;
		array_foreach(other, &route->ports)
			if (*other == port)
				return true;
	}
	return false;
}

size_t route_port_count(const struct route *route)
{
	return route->ports.len > 0 ? route->ports.len : 1;
}

int route_port(const struct route *route, uint64_t turn, unsigned int n)
{
	return route->ports.len > 0 ? route->ports.items[(turn + n) % route->ports.len]
	                            : route->port;
}

enum route_state route_state(const struct route *route)
{
	static const char *const coming[] = {"waiting", "building", "starting"};
	static const char *const up[] = {"running", "unhealthy", "stopping"};

	for (size_t i = 0; i < ARRAY_LEN(coming); i++)
		if (str_eq(route->state, coming[i]))
			return ROUTE_COMING;
	for (size_t i = 0; i < ARRAY_LEN(up); i++)
		if (str_eq(route->state, up[i]) && route->port > 0)
			return ROUTE_UP;
	return ROUTE_DOWN;
}
