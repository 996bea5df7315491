#include "daemon/proxy_before.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/version.h"
#include "proxy/control.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ANSWER_MS  2000
#define MEMORY_MAX 4096

/* --- what is remembered: {"port", "pid", "start_ticks", "boot_id"} --- */

void proxy_before_remember(const char *memory_path, int port, pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *object = json_object();
	cleanup_free char *text = NULL;
	struct proc_id id;

	json_set_int(object, "port", port);
	if (pid > 0 && proc_identify(pid, &id, &err) == 0) {
		json_set_int(object, "pid", id.pid);
		json_set_int(object, "start_ticks", (int64_t)id.start_ticks);
		json_set_str(object, "boot_id", id.boot_id);
	}
	text = json_text(object);
	if (fs_write_atomic(memory_path, text, strlen(text), 0600, &err) < 0)
		log_warn("proxy: %s", err.text);
}

static int recall(const char *memory_path, struct proc_id *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *object = json_parse_file(memory_path, MEMORY_MAX, &err);
	int64_t port = object ? json_get_int(object, "port", 0) : 0;

	*ret = (struct proc_id){0};
	if (!object)
		return 0;
	ret->pid = (pid_t)json_get_int(object, "pid", 0);
	ret->start_ticks = (uint64_t)json_get_int(object, "start_ticks", 0);
	str_copy(ret->boot_id, sizeof(ret->boot_id), json_get_str(object, "boot_id", ""));
	return port > 0 && port <= 65535 ? (int)port : 0;
}

/* Nobody can use what it still holds. */
static void clear_away(const struct proc_id *id)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = id->pid > 0 ? proc_pidfd_open(id->pid, &err) : -1;
	struct pollfd gone = {.fd = pidfd, .events = POLLIN};

	/* Checked with the pidfd open: from here on the number cannot become another's. */
	if (pidfd < 0 || !proc_is_alive(id))
		return;
	log_warn("proxy %d does not answer its next daemon: killed", (int)id->pid);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (poll(&gone, 1, ANSWER_MS) == 0)
		log_warn("proxy %d does not go", (int)id->pid);
}

/* --- the one that waits --- */

static int take_hello(const json_t *hello, int *fds, size_t nfds, struct proxy_before *found,
                      struct error *err)
{
	if (!str_eq(json_get_str(hello, "op", ""), "hello"))
		return error_set(err, EBADMSG, "no hello");
	found->pid = (pid_t)json_get_int(hello, "pid", 0);
	found->is_ours = str_eq(json_get_str(hello, "version", ""), locald_version);
	return listen_loopback_take(fds, nfds, &found->listening, err);
}

static int greet(const char *sock_path, struct proxy_before *found, struct error *err)
{
	const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
	cleanup_close int sock = listen_unix_packets_connect(sock_path, err);
	cleanup_free char *packet = xmalloc(CONTROL_MAX_PACKET);
	cleanup_json json_t *hello = NULL;
	int fds[FD_PASS_MAX];
	size_t nfds = 0;
	ssize_t len;

	if (sock < 0)
		return -1;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return error_errno(err, errno, "setsockopt");
	len = fd_receive_message(sock, packet, CONTROL_MAX_PACKET, fds, &nfds, err);
	hello = len > 0 ? json_parse(packet, (size_t)len, err) : NULL;
	if (len == 0)
		error_set(err, EPIPE, "it has ended");
	if (!hello || take_hello(hello, fds, nfds, found, err) < 0) {
		cleanup(error_release) struct error ignored = ERROR_INIT;

		for (size_t i = 0; i < nfds; i++)
			close_fd(&fds[i]);
		/* Its daemon may have died before it gave it any socket: it would wait in vain. */
		(void)control_send_op(sock, "end", &ignored);
		return -1;
	}
	if (fd_set_nonblock(sock, true, err) < 0)
		return -1;
	found->sock = take_fd(sock);
	return 0;
}

void proxy_before_find(const char *sock_path, const char *memory_path, struct proxy_before *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proxy_before found = {.sock = -1, .listening = {.ipv4 = -1, .ipv6 = -1}};
	struct proc_id id;

	found.port = recall(memory_path, &id);
	if (greet(sock_path, &found, &err) < 0) {
		if (err.code != ENOENT && err.code != ECONNREFUSED)
			log_warn("the proxy of the daemon before: %s", err.text);
		listen_loopback_close(&found.listening);
		clear_away(&id);
	}
	*ret = found;
}
