#include "service/probe.h"

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/tree.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

/* How old the list of listeners may be. */
#define FRESH_MS   20
#define PASSIVE_MS 1000

/* Debuggers of Node.js and Python open these before the program has begun. */
static bool is_debug_port(int port)
{
	return (port >= 9229 && port <= 9239) || port == 5678;
}

struct probe {
	struct loop *loop;
	struct listener_cache *cache;
	struct probe_request request;
	probe_done_fn *fn;
	void *data;
	struct loop_source *timer; /* the result, or the timeout */
	struct loop_source *connection, *child;
	int fd;
	pid_t pid;
	bool has_tried_ipv6, is_sent;
	struct probe_result result;
	char *text;
	char reply[64];
	size_t reply_len;
};

void listener_cache_release(struct listener_cache *cache)
{
	port_listeners_release(&cache->listeners);
	cache->read_at_ms = 0;
}

static const struct port_listeners *listeners_at_most(struct listener_cache *cache, int64_t age_ms)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int64_t now = clock_mono_ms();

	if (cache->read_at_ms == 0 || now - cache->read_at_ms > age_ms) {
		port_listeners_release(&cache->listeners);
		/* Unreadable is as good as empty: nothing will be ready, and the text says so. */
		(void)port_listeners_read(&cache->listeners, &err);
		cache->read_at_ms = now;
	}
	return &cache->listeners;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	loop_source_free(probe->timer);
	loop_source_free(probe->connection);
	/* Still our unreaped child, so this is its group and nobody else's. */
	if (probe->child && probe->pid > 0) {
		kill(-probe->pid, SIGKILL);
		while (waitpid(probe->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	loop_source_free(probe->child);
	close_fd(&probe->fd);
	free(probe->text);
	free(probe);
}

static void deliver(struct loop_source *source, void *data)
{
	struct probe *probe = data;

	probe->result.text = probe->result.verdict == PROBE_OK ? NULL : probe->text;
	probe->fn(&probe->result, probe->data);
}

/* The result goes out from the loop, never from inside probe_new(). */
static void finish(struct probe *probe)
{
	loop_source_free(take_ptr(probe->connection));
	close_fd(&probe->fd);
	probe->fd = -1;
	loop_source_free(probe->timer);
	probe->timer = loop_add_timer(probe->loop, 0, deliver, probe);
}

static void fail(struct probe *probe, char *text)
{
	probe->result.verdict = PROBE_NOT_YET;
	free(probe->text);
	probe->text = text;
	finish(probe);
}

static bool is_ipv6_only(const struct port_listeners *own, int port)
{
	bool is_only = false;

	array_foreach(listener, &own->items) {
		if (listener->port != port || !listener->is_reachable)
			continue;
		if (!listener->is_ipv6 || listener->is_any)
			return false;
		is_only = true;
	}
	return is_only;
}

static void judge_stranger(struct probe *probe)
{
	struct probe_result *result = &probe->result;
	struct port_holder holder = {0};
	cleanup_free char *who = NULL;

	result->verdict = PROBE_NOT_YET;
	if (!port_holder_find(result->port, &holder))
		return;
	/* The descriptors of a container may be closed to us; then nobody seems to hold it. */
	if (holder.pid == 0 && probe->request.plan->mode == PLAN_CONTAINER) {
		result->verdict = PROBE_OK;
		return;
	}
	if (probe->request.run_mark && tree_is_marked(holder.pid, probe->request.run_mark)) {
		result->verdict = PROBE_OK;
		port_holder_release(&holder);
		return;
	}
	result->verdict = PROBE_STRANGER;
	who = port_holder_text(&holder);
	probe->text = xasprintf("port %d is held by %s", result->port, who);
	port_holder_release(&holder);
}

/* The lowest port of those that it may be waited for at. */
static const struct port_listener *other_port(const struct port_listeners *own)
{
	const struct port_listener *best = NULL;

	array_foreach(listener, &own->items)
		if (listener->is_reachable && !is_debug_port(listener->port) &&
		    (!best || listener->port < best->port))
			best = listener;
	return best;
}

static void judge_inside(struct probe *probe, const struct port_listeners *inside)
{
	const struct probe_request *request = &probe->request;
	const struct port_listeners *outside = listeners_at_most(probe->cache, FRESH_MS);
	struct probe_result *result = &probe->result;
	const struct port_listener *found = NULL;
	int wanted = request->plan->inside_port;

	array_foreach(listener, &inside->items)
		if (listener->port == wanted && listener->is_reachable)
			found = listener;
	if (!found)
		found = other_port(inside);
	if (!found) {
		probe->text = xasprintf("nothing listens on port %d in the container", wanted);
		return;
	}
	result->inside_port = found->port;
	result->verdict = found->port == wanted ? PROBE_OK : PROBE_OTHER_PORT;
	if (found->port != wanted)
		probe->text = xasprintf("listens on port %d in its container, not on %d",
		                        found->port, wanted);
	else if (request->opened_port != found->port ||
	         !port_listeners_find(outside, request->port))
		result->verdict = PROBE_UNOPENED;
}

/* In a network of its own everything that listens is the service's. */
static void locate_inside(struct probe *probe)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct port_listeners inside = {0};

	probe->result =
		(struct probe_result){.verdict = PROBE_NOT_YET, .port = probe->request.port};
	if (port_listeners_read_inside(probe->request.root, &inside, &err) < 0)
		probe->text = xstrdup(err.text);
	else
		judge_inside(probe, &inside);
	port_listeners_release(&inside);
}

/* Can its port be asked, and is there a question? */
static bool is_to_be_asked(const struct probe *probe)
{
	const struct probe_result *result = &probe->result;
	enum plan_health_kind kind = probe->request.plan->health.kind;
	bool is_open = !result->inside_port || probe->request.opened_port == result->inside_port;

	return (kind == PLAN_HEALTH_TCP || kind == PLAN_HEALTH_HTTP) && is_open &&
	       (result->verdict == PROBE_OK || result->verdict == PROBE_OTHER_PORT);
}

/* Is there a listener in the container whose port takes no connections outside yet? */
static bool must_be_opened(struct probe *probe)
{
	const struct probe_result *result = &probe->result;

	if (!probe->request.plan->has_own_network || probe->request.port == 0)
		return false;
	locate_inside(probe);
	return result->verdict == PROBE_UNOPENED ||
	       (result->verdict == PROBE_OTHER_PORT &&
	        probe->request.opened_port != result->inside_port);
}

/* Where the service listens, without touching it. */
static void locate(struct probe *probe)
{
	const struct probe_request *request = &probe->request;
	const struct port_listeners *all =
		listeners_at_most(probe->cache, request->is_liveness ? PASSIVE_MS : FRESH_MS);
	struct probe_result *result = &probe->result;
	struct port_listeners own = {0};
	const struct port_listener *there = port_listeners_find(all, request->port);

	*result = (struct probe_result){.verdict = PROBE_NOT_YET, .port = request->port};
	port_listeners_of_tree(all, request->root, &own);
	if (port_listeners_find(&own, request->port)) {
		result->verdict = PROBE_OK;
		result->is_ipv6_only = is_ipv6_only(&own, request->port);
	} else if (there) {
		judge_stranger(probe);
	} else {
		const struct port_listener *other = other_port(&own);

		if (other) {
			result->verdict = PROBE_OTHER_PORT;
			result->port = other->port;
			result->is_ipv6_only = is_ipv6_only(&own, result->port);
		}
	}
	port_listeners_release(&own);
	if (result->verdict != PROBE_OK && !probe->text)
		probe->text = result->verdict == PROBE_OTHER_PORT
		                      ? xasprintf("listens on port %d, not on $PORT (%d)",
		                                  result->port, request->port)
		                      : xasprintf("nothing listens on port %d", request->port);
}

static int connect_to(struct probe *probe, bool ipv6)
{
	struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)probe->result.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_port = v4.sin_port,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	const struct sockaddr *addr =
		ipv6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;

	probe->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe->fd < 0)
		return -1;
	return connect(probe->fd, addr, ipv6 ? sizeof(v6) : sizeof(v4)) < 0 && errno != EINPROGRESS
	               ? -1
	               : 0;
}

static void open_connection(struct probe *probe, bool ipv6);

static void refused(struct probe *probe, int error)
{
	if (!probe->has_tried_ipv6) {
		loop_source_free(take_ptr(probe->connection));
		close_fd(&probe->fd);
		probe->fd = -1;
		open_connection(probe, true);
		return;
	}
	fail(probe, xasprintf("port %d: %s", probe->result.port, strerror(error)));
}

/* "HTTP/1.1 200 OK": 2xx and 3xx are an answer, the others a reason. */
static void judge_reply(struct probe *probe)
{
	int status = 0;

	probe->reply[probe->reply_len] = '\0';
	probe->reply[strcspn(probe->reply, "\r\n")] = '\0';
	if (!str_starts(probe->reply, "HTTP/1.") || strlen(probe->reply) < 12 ||
	    (status = (int)strtoul(probe->reply + 9, NULL, 10)) < 100)
		fail(probe, xasprintf("port %d does not speak HTTP", probe->result.port));
	else if (status < 200 || status >= 400)
		fail(probe,
		     xasprintf("GET %s answered %d", probe->request.plan->health.path, status));
	else
		finish(probe);
}

static void read_reply(struct probe *probe)
{
	size_t room = sizeof(probe->reply) - 1 - probe->reply_len;
	ssize_t n = recv(probe->fd, probe->reply + probe->reply_len, room, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		probe->reply_len += (size_t)n;
	if (n <= 0 || probe->reply_len >= 13)
		judge_reply(probe);
}

static void send_request(struct probe *probe)
{
	const char *path = probe->request.plan->health.path;
	cleanup_free char *text =
		xasprintf("GET %s%s HTTP/1.1\r\n"
	                  "Host: localhost:%d\r\n"
	                  "User-Agent: locald\r\n"
	                  "Accept: */*\r\n"
	                  "Connection: close\r\n\r\n",
	                  path && *path == '/' ? "" : "/", path ? path : "", probe->result.port);
	size_t len = strlen(text);

	/* A fresh socket takes this much whole. */
	if (send(probe->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) {
		fail(probe, xasprintf("port %d: cannot send", probe->result.port));
		return;
	}
	probe->is_sent = true;
	loop_fd_set_events(probe->connection, LOOP_READ);
}

static void on_connection(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct probe *probe = data;
	int error = 0;
	socklen_t len = sizeof(error);

	if (probe->is_sent) {
		read_reply(probe);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		refused(probe, error);
	else if (probe->request.plan->health.kind == PLAN_HEALTH_HTTP)
		send_request(probe);
	else
		finish(probe);
}

static void open_connection(struct probe *probe, bool ipv6)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	probe->has_tried_ipv6 |= ipv6;
	if (connect_to(probe, ipv6) < 0)
		refused(probe, errno);
	else if (loop_add_fd(probe->loop, probe->fd, LOOP_WRITE, on_connection, probe,
	                     &probe->connection, &err) < 0)
		fail(probe, xstrdup(err.text));
}

/* It may have begun to listen while the command ran: then its port is opened before it is ready. */
static void judge_success(struct probe *probe)
{
	const struct probe_result located = probe->result;

	if (!must_be_opened(probe))
		probe->result = located;
	finish(probe);
}

static void on_command_end(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct probe *probe = data;

	probe->pid = 0;
	if (info->si_code == CLD_EXITED && info->si_status == 0)
		judge_success(probe);
	else if (info->si_code == CLD_EXITED)
		fail(probe, xasprintf("the health command exited with code %d", info->si_status));
	else
		fail(probe,
		     xasprintf("the health command was ended by signal %d", info->si_status));
}

static void run_command(struct probe *probe)
{
	const struct service_plan *plan = probe->request.plan;
	const struct strv *argv = &plan->health.argv;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct child_spec child = {
		.path = argv->len > 0 ? argv->items[0] : "false",
		.argv = (const char *const *)argv->items,
		.env = plan->env.len > 0 ? (const char *const *)plan->env.items : NULL,
		.cwd = plan->cwd,
		.new_session = true,
	};

	/* A command need not have a listener; where there is one elsewhere, that stays to be said.
	 */
	if (probe->result.verdict != PROBE_OTHER_PORT)
		probe->result =
			(struct probe_result){.verdict = PROBE_OK, .port = probe->request.port};
	probe->pid = argv->len > 0 ? child_spawn(&child, &err) : -1;
	if (probe->pid < 0 ||
	    loop_add_child(probe->loop, probe->pid, on_command_end, probe, &probe->child, &err) < 0)
		fail(probe, xstrdup(err.text ? err.text : "the health command is empty"));
}

static void on_timeout(struct loop_source *source, void *data)
{
	struct probe *probe = data;

	fail(probe,
	     xasprintf("no answer within %d ms", (int)probe->request.plan->health.timeout_ms));
}

struct probe *probe_new(struct loop *loop, struct listener_cache *cache,
                        const struct probe_request *request, probe_done_fn *fn, void *data)
{
	const struct plan_health *health = &request->plan->health;
	struct probe *probe = xcalloc(1, sizeof(*probe));

	probe->loop = loop;
	probe->cache = cache;
	probe->request = *request;
	probe->fn = fn;
	probe->data = data;
	probe->fd = -1;
	probe->timer = loop_add_timer(loop, health->timeout_ms, on_timeout, probe);
	if (health->kind == PLAN_HEALTH_COMMAND) {
		if (must_be_opened(probe))
			finish(probe);
		else
			run_command(probe);
		return probe;
	}
	if (request->plan->has_own_network)
		locate_inside(probe);
	else
		locate(probe);
	if (is_to_be_asked(probe))
		open_connection(probe, probe->result.is_ipv6_only);
	else
		finish(probe);
	return probe;
}
