#include "keeper/keeper.h"

#include "base/error.h"
#include "base/fd.h"
#include "keeper/log_tail.h"

#include <errno.h>
#include <sys/socket.h>

/* What who attaches gets to see first, and room for it in the socket beside new output. */
#define HISTORY_BYTES (64UL * 1024)
#define ATTACHED_ROOM (512 * 1024)

static void tell_output(const char *bytes, size_t len, void *data);

static bool send_packet(struct keeper_client *client, const struct keeper_packet *packet)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(KEEPER_PACKET_MAX);
	ssize_t n;

	keeper_packet_encode(packet, &text);
	/* A client that does not read is let go; it can connect again and ask. */
	n = send(client->fd, text.buf, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n == (ssize_t)text.len;
}

/* Where no descriptors can be passed, because too many are on their way, it goes without. */
static bool send_status_and_ends(struct keeper *keeper, struct keeper_client *client,
                                 const struct keeper_packet *packet)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(KEEPER_PACKET_MAX);
	cleanup(error_release) struct error err = ERROR_INIT;
	int fds[PROGRAM_ENDS_MAX];
	size_t count = program_io_ends(&keeper->io, fds);

	keeper_packet_encode(packet, &text);
	return fd_send_message(client->fd, text.buf, text.len, fds, count, &err) == 0 ||
	       (err.code == ETOOMANYREFS && send_packet(client, packet));
}

/* Listens to the output as long as somebody is attached. */
static void set_taps(struct keeper *keeper)
{
	bool is_needed = false;

	for (size_t i = 0; i < keeper->client_count; i++)
		is_needed |= keeper->clients[i].is_attached;
	for (int i = 0; i < 2; i++) {
		keeper->io.captures[i].tap = is_needed ? tell_output : NULL;
		keeper->io.captures[i].tap_data = keeper;
	}
}

static void drop_client(struct keeper *keeper, struct keeper_client *client)
{
	bool was_attached = client->is_attached;

	close(client->fd);
	*client = keeper->clients[--keeper->client_count];
	if (was_attached)
		set_taps(keeper);
}

static bool send_data(struct keeper_client *client, const char *bytes, size_t len)
{
	while (len > 0) {
		struct keeper_packet packet = {
			.op = KEEPER_DATA,
			.data = bytes,
			.data_len = len < KEEPER_DATA_MAX ? len : KEEPER_DATA_MAX,
		};

		if (!send_packet(client, &packet))
			return false;
		bytes += packet.data_len;
		len -= packet.data_len;
	}
	return true;
}

/* Nobody is waited for: who is too slow can attach again, and gets the latest output then. */
static void tell_output(const char *bytes, size_t len, void *data)
{
	struct keeper *keeper = data;

	for (size_t i = keeper->client_count; i-- > 0;) {
		struct keeper_client *client = &keeper->clients[i];

		if (client->is_attached && !send_data(client, bytes, len))
			drop_client(keeper, client);
	}
}

struct history {
	struct keeper_client *client;
	bool has_failed;
};

static void tell_history(const char *bytes, size_t len, void *data)
{
	struct history *history = data;

	history->has_failed = history->has_failed || !send_data(history->client, bytes, len);
}

static struct keeper_client *writer_of(struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->client_count; i++)
		if (keeper->clients[i].is_writer)
			return &keeper->clients[i];
	return NULL;
}

/* NULL, or why not. */
static const char *attach(struct keeper *keeper, struct keeper_client *client,
                          const struct keeper_packet *request)
{
	const struct keeper_client *writer = writer_of(keeper);
	struct history history = {.client = client};
	int room = ATTACHED_ROOM;

	if (request->write && keeper->io.input < 0)
		return "the service has no input";
	if (request->write && writer && writer != client)
		return "another client writes";
	client->is_writer = request->write;
	if (request->write)
		program_io_resize(&keeper->io, request->rows, request->cols);
	if (client->is_attached)
		return NULL;
	(void)setsockopt(client->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	log_writer_flush(&keeper->log);
	log_tail_read(&keeper->log, HISTORY_BYTES, tell_history, &history);
	for (int i = 0; i < 2; i++) {
		size_t len;
		const char *bytes = capture_unfinished(&keeper->io.captures[i], &len);

		tell_history(bytes, len, &history);
	}
	client->is_attached = true;
	set_taps(keeper);
	return NULL;
}

static struct keeper_packet status_packet(struct keeper *keeper)
{
	keeper->status.log_bytes = keeper->log.pos;
	keeper->status.dropped_bytes = keeper->log.dropped_bytes;
	return (struct keeper_packet){.op = KEEPER_STATUS, .status = keeper->status};
}

void keeper_tell(struct keeper *keeper)
{
	struct keeper_packet packet = status_packet(keeper);

	for (size_t i = keeper->client_count; i-- > 0;) {
		struct keeper_client *client = &keeper->clients[i];

		if (client->is_subscribed && !send_packet(client, &packet))
			drop_client(keeper, client);
	}
}

void keeper_accept(struct keeper *keeper)
{
	struct keeper_packet refusal = {.op = KEEPER_ERROR};
	struct keeper_client client = {.is_subscribed = false};
	struct ucred peer;
	socklen_t len = sizeof(peer);

	client.fd = accept4(keeper->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client.fd < 0)
		return;
	if (getsockopt(client.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.uid != geteuid())
		str_copy(refusal.text, sizeof(refusal.text), "not your service");
	else if (keeper->client_count == KEEPER_CLIENTS_MAX)
		str_copy(refusal.text, sizeof(refusal.text), "too many clients");
	if (refusal.text[0]) {
		(void)send_packet(&client, &refusal);
		close(client.fd);
		return;
	}
	keeper->clients[keeper->client_count++] = client;
}

static bool obey(struct keeper *keeper, struct keeper_client *client,
                 const struct keeper_packet *request, struct keeper_packet *reply)
{
	const char *refusal = NULL;

	switch (request->op) {
	case KEEPER_SUBSCRIBE:
		client->is_subscribed = true;
		client->wants_ends = request->hold;
		fallthrough;
	case KEEPER_HELLO:
		*reply = status_packet(keeper);
		return true;
	case KEEPER_STOP:
		keeper_begin_stop(keeper);
		return false;
	case KEEPER_KILL:
		keeper_begin_kill(keeper);
		return false;
	case KEEPER_SIGNAL:
		keeper_signal_all(keeper, request->signal);
		return false;
	case KEEPER_ATTACH:
		refusal = attach(keeper, client, request);
		break;
	case KEEPER_RESIZE:
	case KEEPER_DATA:
		if (!client->is_writer)
			refusal = "not attached to write";
		else if (request->op == KEEPER_DATA)
			program_io_write(&keeper->io, request->data, request->data_len);
		else
			program_io_resize(&keeper->io, request->rows, request->cols);
		break;
	case KEEPER_STATUS:
	case KEEPER_ERROR:
		refusal = "that is for the keeper to say";
		break;
	}
	str_copy(reply->text, sizeof(reply->text), refusal ?: "");
	return refusal != NULL;
}

static bool send_reply(struct keeper *keeper, struct keeper_client *client,
                       const struct keeper_packet *reply)
{
	if (!client->wants_ends)
		return send_packet(client, reply);
	client->wants_ends = false;
	return send_status_and_ends(keeper, client, reply);
}

void keeper_serve(struct keeper *keeper, struct keeper_client *client)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet request, reply = {.op = KEEPER_ERROR};
	int fd = client->fd;
	char buf[KEEPER_PACKET_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	bool has_reply;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_client(keeper, client);
		return;
	}
	if (keeper_packet_decode(buf, (size_t)n, &request, &err) < 0) {
		str_copy(reply.text, sizeof(reply.text), err.text);
		has_reply = true;
	} else {
		has_reply = obey(keeper, client, &request, &reply);
	}
	/* Telling subscribers may have let go of this one. */
	if (has_reply && client < keeper->clients + keeper->client_count && client->fd == fd &&
	    !send_reply(keeper, client, &reply))
		drop_client(keeper, client);
}
