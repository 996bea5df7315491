#include "keeper/protocol.h"

#include "base/array.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>

enum field_kind {
	FIELD_TEXT, /* char *, may be NULL when optional */
	FIELD_LINE, /* char[KEEPER_NOTIFY_TEXT_SIZE] */
	FIELD_INT,
	FIELD_INT64,
	FIELD_UINT32,
	FIELD_UINT64,
	FIELD_BOOL,
	FIELD_LIST
};

/*
 * One key of the spec or of a status; `first` and `last` bound numbers.  What is optional is
 * zero when it is missing, and a spec leaves it out when it is zero.
 */
struct field {
	const char *key;
	enum field_kind kind;
	size_t offset;
	int64_t first, last;
	bool is_optional;
};

#define SPEC(member) offsetof(struct keeper_spec, member)

static const struct field spec_fields[] = {
	{"socket", FIELD_TEXT, SPEC(socket), 0, 0, false},
	{"log_dir", FIELD_TEXT, SPEC(log_dir), 0, 0, false},
	{"service", FIELD_TEXT, SPEC(service), 0, 0, false},
	{"run", FIELD_UINT32, SPEC(run), 1, UINT32_MAX, false},
	{"cwd", FIELD_TEXT, SPEC(cwd), 0, 0, false},
	{"stop_signal", FIELD_INT, SPEC(stop_signal), 1, 64, false},
	{"stop_timeout_ms", FIELD_INT64, SPEC(stop_timeout_ms), 0, 86400000, false},
	{"tty", FIELD_BOOL, SPEC(tty), 0, 1, false},
	{"segment_bytes", FIELD_UINT64, SPEC(segment_bytes), 131072, 1 << 30, false},
	{"segment_count", FIELD_UINT32, SPEC(segment_count), 2, 10000, false},
	{"arg", FIELD_LIST, SPEC(args), 0, 0, false},
	{"env", FIELD_LIST, SPEC(env), 0, 0, true},
	{"stop_arg", FIELD_LIST, SPEC(stop_args), 0, 0, true},
	{"notify", FIELD_TEXT, SPEC(notify), 0, 0, true},
	{"notify_shared", FIELD_BOOL, SPEC(notify_shared), 0, 1, true},
	{"stdin", FIELD_BOOL, SPEC(has_stdin), 0, 1, true},
	{"signal_leader", FIELD_BOOL, SPEC(signals_leader), 0, 1, true},
	{"cgroup", FIELD_BOOL, SPEC(has_cgroup), 0, 1, true},
	{"adopt_pid", FIELD_INT, SPEC(adopt_pid), 0, INT32_MAX, true},
	{"adopt_start_ticks", FIELD_UINT64, SPEC(adopt_start_ticks), 0, INT64_MAX, true},
};

#define STATUS(member) offsetof(struct keeper_status, member)

static const struct field status_fields[] = {
	{"pid", FIELD_INT, STATUS(pid), 0, INT32_MAX, false},
	{"start_ticks", FIELD_UINT64, STATUS(start_ticks), 0, INT64_MAX, false},
	{"run", FIELD_UINT32, STATUS(run), 1, UINT32_MAX, false},
	{"started_real_ns", FIELD_INT64, STATUS(started_real_ns), 0, INT64_MAX, false},
	{"exit_code", FIELD_INT, STATUS(exit_code), -1, 255, false},
	{"exit_signal", FIELD_INT, STATUS(exit_signal), 0, 64, false},
	{"killed", FIELD_BOOL, STATUS(killed), 0, 1, false},
	{"log_bytes", FIELD_UINT64, STATUS(log_bytes), 0, INT64_MAX, false},
	{"dropped_bytes", FIELD_UINT64, STATUS(dropped_bytes), 0, INT64_MAX, false},
	{"tty", FIELD_BOOL, STATUS(tty), 0, 1, true},
	{"stdin", FIELD_BOOL, STATUS(has_stdin), 0, 1, true},
	{"log_full", FIELD_BOOL, STATUS(log_full), 0, 1, true},
	{"degraded", FIELD_BOOL, STATUS(degraded), 0, 1, true},
	{"notify_ready", FIELD_BOOL, STATUS(notify_ready), 0, 1, true},
	{"notify_stopping", FIELD_BOOL, STATUS(notify_stopping), 0, 1, true},
	{"watchdog_us", FIELD_UINT64, STATUS(watchdog_us), 0, INT64_MAX, true},
	{"watchdog_missed", FIELD_BOOL, STATUS(watchdog_missed), 0, 1, true},
	{"extend_us", FIELD_UINT64, STATUS(extend_us), 0, INT64_MAX, true},
	{"notify_text", FIELD_LINE, STATUS(notify_text), 0, 0, true},
	{"killed_count", FIELD_UINT32, STATUS(killed_count), 0, UINT32_MAX, true},
};

static const char *const op_names[] = {
	[KEEPER_HELLO] = "hello",   [KEEPER_SUBSCRIBE] = "subscribe", [KEEPER_STOP] = "stop",
	[KEEPER_KILL] = "kill",     [KEEPER_SIGNAL] = "signal",       [KEEPER_ATTACH] = "attach",
	[KEEPER_RESIZE] = "resize", [KEEPER_DATA] = "data",           [KEEPER_STATUS] = "status",
	[KEEPER_ERROR] = "error",
};

#define DATA_HEAD "op=data\n\n"
#define SIDE_MAX  65535 /* of a terminal */

static const char *const state_names[] = {
	[KEEPER_STARTING] = "starting",
	[KEEPER_RUNNING] = "running",
	[KEEPER_STOPPING] = "stopping",
	[KEEPER_EXITED] = "exited",
};

static int64_t number_at(const struct field *field, const void *at)
{
	int64_t value = 0;

	switch (field->kind) {
	case FIELD_INT:
		value = *(const int *)at;
		break;
	case FIELD_INT64:
		value = *(const int64_t *)at;
		break;
	case FIELD_UINT32:
		value = *(const uint32_t *)at;
		break;
	case FIELD_UINT64:
		value = (int64_t) * (const uint64_t *)at;
		break;
	case FIELD_BOOL:
		value = *(const bool *)at;
		break;
	case FIELD_TEXT:
	case FIELD_LINE:
	case FIELD_LIST:
		break;
	}
	return value;
}

static int decode_number(const struct field *field, const char *text, void *at, struct error *err)
{
	int64_t value;

	if (str_to_int(text, field->first, field->last, &value, err) < 0)
		return error_wrap(err, "%s", field->key);
	switch (field->kind) {
	case FIELD_INT:
		*(int *)at = (int)value;
		break;
	case FIELD_INT64:
		*(int64_t *)at = value;
		break;
	case FIELD_UINT32:
		*(uint32_t *)at = (uint32_t)value;
		break;
	case FIELD_UINT64:
		*(uint64_t *)at = (uint64_t)value;
		break;
	case FIELD_BOOL:
		*(bool *)at = value != 0;
		break;
	case FIELD_TEXT:
	case FIELD_LINE:
	case FIELD_LIST:
		break;
	}
	return 0;
}

void keeper_spec_release(struct keeper_spec *spec)
{
	free(spec->socket);
	free(spec->log_dir);
	free(spec->service);
	free(spec->cwd);
	free(spec->notify);
	strv_release(&spec->args);
	strv_release(&spec->env);
	strv_release(&spec->stop_args);
	*spec = (struct keeper_spec){0};
}

static void add_entry(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, "%s=%s", key, value);
	strbuf_addch(out, '\0');
}

void keeper_spec_encode(const struct keeper_spec *spec, struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(spec_fields); i++) {
		const struct field *field = &spec_fields[i];
		const void *at = (const char *)spec + field->offset;

		if (field->kind == FIELD_TEXT) {
			const char *text = *(char *const *)at;

			if (text || !field->is_optional)
				add_entry(out, field->key, text);
		} else if (field->kind == FIELD_LIST) {
			const struct strv *list = at;

			for (size_t j = 0; j < list->len; j++)
				add_entry(out, field->key, list->items[j]);
		} else if (number_at(field, at) != 0 || !field->is_optional) {
			strbuf_addf(out, "%s=%" PRId64, field->key, number_at(field, at));
			strbuf_addch(out, '\0');
		}
	}
}

/* Takes one entry, and marks its field as seen. */
static int decode_entry(const char *entry, struct keeper_spec *spec,
                        bool seen[ARRAY_LEN(spec_fields)], struct error *err)
{
	const char *equals = strchr(entry, '=');

	for (size_t i = 0; equals && i < ARRAY_LEN(spec_fields); i++) {
		const struct field *field = &spec_fields[i];
		size_t len = strlen(field->key);
		void *at = (char *)spec + field->offset;

		if ((size_t)(equals - entry) != len || memcmp(entry, field->key, len) != 0)
			continue;
		if (seen[i] && field->kind != FIELD_LIST)
			return error_set(err, EINVAL, "%s is given twice", field->key);
		seen[i] = true;
		if (field->kind == FIELD_LIST)
			strv_add(at, equals + 1);
		else if (field->kind == FIELD_TEXT)
			*(char **)at = xstrdup(equals + 1);
		else
			return decode_number(field, equals + 1, at, err);
		return 0;
	}
	return error_set(err, EINVAL, "\"%.40s\" is no entry of a spec", entry);
}

int keeper_spec_decode(const char *data, size_t len, struct keeper_spec *ret, struct error *err)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};
	bool seen[ARRAY_LEN(spec_fields)] = {false};

	if (len == 0 || data[len - 1] != '\0')
		return error_set(err, EINVAL, "the spec is cut off");
	for (size_t at = 0; at < len; at += strlen(data + at) + 1)
		if (decode_entry(data + at, &spec, seen, err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(spec_fields); i++)
		if (!seen[i] && !spec_fields[i].is_optional)
			return error_set(err, EINVAL, "%s is missing", spec_fields[i].key);
	*ret = spec;
	spec = (struct keeper_spec){0};
	return 0;
}

const char *keeper_line_value(const char *text, size_t len, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);
	const char *end = text + len;

	for (const char *line = text; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		if ((size_t)(stop - line) > key_len && line[key_len] == '=' &&
		    memcmp(line, key, key_len) == 0) {
			*ret_len = (size_t)(stop - line) - key_len - 1;
			return line + key_len + 1;
		}
		line = stop + 1;
	}
	return NULL;
}

/* The value as a string; false when it is missing or does not fit. */
static bool line_copy(const char *text, size_t len, const char *key, char *out, size_t size)
{
	size_t value_len;
	const char *value = keeper_line_value(text, len, key, &value_len);

	if (!value || value_len >= size)
		return false;
	memcpy(out, value, value_len);
	out[value_len] = '\0';
	return true;
}

int64_t keeper_line_int(const char *text, size_t len, const char *key, int64_t def)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char number[32];
	int64_t value;

	if (!line_copy(text, len, key, number, sizeof(number)) ||
	    str_to_int(number, INT64_MIN, INT64_MAX, &value, &err) < 0)
		return def;
	return value;
}

void keeper_copy_line(char *out, size_t size, const char *text, size_t len)
{
	size_t count = len < size - 1 ? len : size - 1;

	/* Not in the middle of a UTF-8 sequence. */
	while (count > 0 && count < len && ((unsigned char)text[count] & 0xc0) == 0x80)
		count--;
	for (size_t i = 0; i < count; i++)
		out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
	out[count] = '\0';
}

static void encode_status(const struct keeper_status *status, struct strbuf *out)
{
	strbuf_addf(out, "state=%s\n", state_names[status->state]);
	for (size_t i = 0; i < ARRAY_LEN(status_fields); i++) {
		const struct field *field = &status_fields[i];
		const void *at = (const char *)status + field->offset;
		char line[KEEPER_NOTIFY_TEXT_SIZE];

		if (field->kind == FIELD_LINE) {
			keeper_copy_line(line, sizeof(line), at, strlen(at));
			strbuf_addf(out, "%s=%s\n", field->key, line);
		} else {
			strbuf_addf(out, "%s=%" PRId64 "\n", field->key, number_at(field, at));
		}
	}
}

void keeper_packet_encode(const struct keeper_packet *packet, struct strbuf *out)
{
	strbuf_addf(out, "op=%s\n", op_names[packet->op]);
	switch (packet->op) {
	case KEEPER_HELLO:
	case KEEPER_STOP:
	case KEEPER_KILL:
		break;
	case KEEPER_SUBSCRIBE:
		if (packet->hold)
			strbuf_adds(out, "hold=1\n");
		break;
	case KEEPER_ATTACH:
		strbuf_addf(out, "write=%d\n", packet->write);
		fallthrough;
	case KEEPER_RESIZE:
		strbuf_addf(out, "rows=%d\ncols=%d\n", packet->rows, packet->cols);
		break;
	case KEEPER_DATA:
		strbuf_addch(out, '\n');
		strbuf_add(out, packet->data, packet->data_len);
		break;
	case KEEPER_SIGNAL:
		strbuf_addf(out, "signal=%d\n", packet->signal);
		break;
	case KEEPER_STATUS:
		encode_status(&packet->status, out);
		break;
	case KEEPER_ERROR:
		strbuf_addf(out, "text=%s\n", packet->text);
		break;
	}
}

static int name_index(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(names[i], name))
			return (int)i;
	return -1;
}

static int decode_status(const char *data, size_t len, struct keeper_status *ret, struct error *err)
{
	char word[32];
	int state = -1;

	if (line_copy(data, len, "state", word, sizeof(word)))
		state = name_index(state_names, ARRAY_LEN(state_names), word);
	if (state < 0)
		return error_set(err, EPROTO, "status without a known state");
	ret->state = (enum keeper_state)state;
	for (size_t i = 0; i < ARRAY_LEN(status_fields); i++) {
		const struct field *field = &status_fields[i];
		const char *value;
		size_t value_len;

		value = keeper_line_value(data, len, field->key, &value_len);
		if (!value && field->is_optional)
			continue;
		if (field->kind == FIELD_LINE) {
			keeper_copy_line((char *)ret + field->offset, KEEPER_NOTIFY_TEXT_SIZE,
			                 value, value_len);
			continue;
		}
		if (!line_copy(data, len, field->key, word, sizeof(word)))
			return error_set(err, EPROTO, "status without %s", field->key);
		if (decode_number(field, word, (char *)ret + field->offset, err) < 0)
			return -1;
	}
	return 0;
}

/* What belongs to the op; what is missing and may be missing is zero. */
static int decode_body(const char *data, size_t len, struct keeper_packet *packet,
                       struct error *err)
{
	int64_t signo, rows, cols;

	switch (packet->op) {
	case KEEPER_HELLO:
	case KEEPER_STOP:
	case KEEPER_KILL:
	case KEEPER_DATA:
		return 0;
	case KEEPER_SUBSCRIBE:
		packet->hold = keeper_line_int(data, len, "hold", 0) == 1;
		return 0;
	case KEEPER_SIGNAL:
		signo = keeper_line_int(data, len, "signal", 0);
		if (signo < 1 || signo > SIGRTMAX)
			return error_set(err, EPROTO, "no such signal");
		packet->signal = (int)signo;
		return 0;
	case KEEPER_ATTACH:
	case KEEPER_RESIZE:
		packet->write = keeper_line_int(data, len, "write", 0) == 1;
		rows = keeper_line_int(data, len, "rows", 0);
		cols = keeper_line_int(data, len, "cols", 0);
		if (rows < 0 || rows > SIDE_MAX || cols < 0 || cols > SIDE_MAX)
			return error_set(err, EPROTO, "no terminal has that size");
		packet->rows = (int)rows;
		packet->cols = (int)cols;
		return 0;
	case KEEPER_STATUS:
		return decode_status(data, len, &packet->status, err);
	case KEEPER_ERROR:
		break;
	}
	if (!line_copy(data, len, "text", packet->text, sizeof(packet->text)))
		return error_set(err, EPROTO, "error without text");
	return 0;
}

int keeper_packet_decode(const char *data, size_t len, struct keeper_packet *ret, struct error *err)
{
	struct keeper_packet packet = {0};
	size_t head = strlen(DATA_HEAD);
	char word[32];
	int op = -1;

	if (len <= KEEPER_PACKET_MAX && len >= head && memcmp(data, DATA_HEAD, head) == 0) {
		*ret = (struct keeper_packet){
			.op = KEEPER_DATA,
			.data = data + head,
			.data_len = len - head,
		};
		return 0;
	}
	if (len > KEEPER_PACKET_MAX || memchr(data, '\0', len))
		return error_set(err, EPROTO, "not a packet");
	if (len > 3 && memcmp(data, "op=", 3) == 0 &&
	    line_copy(data, len, "op", word, sizeof(word)))
		op = name_index(op_names, ARRAY_LEN(op_names), word);
	if (op < 0)
		return error_set(err, EPROTO, "not a packet: no known op");
	packet.op = (enum keeper_op)op;
	if (packet.op == KEEPER_DATA)
		return error_set(err, EPROTO, "data without an empty line before it");
	if (decode_body(data, len, &packet, err) < 0)
		return -1;
	*ret = packet;
	return 0;
}

char *keeper_run_mark(const struct keeper_spec *spec)
{
	return xasprintf("%s/%" PRIu32, spec->log_dir, spec->run);
}

int keeper_socket_address(const char *path, struct sockaddr_un *ret, int *ret_dir,
                          struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_free char *folder = path_dir(path);
	cleanup_close int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int len;

	if (dir < 0)
		return error_errno(err, errno, "%s", folder);
	len = snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir,
	               path_base(path));
	if (len >= (int)sizeof(addr.sun_path))
		return error_set(err, ENAMETOOLONG, "the name of %s is too long", path);
	*ret = addr;
	*ret_dir = take_fd(dir);
	return 0;
}
