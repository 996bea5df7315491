#include "base/clock.h"
#include "keeper/keeper.h"
#include "keeper/notify.h"

#include <inttypes.h>
#include <sys/param.h>

/* A service that says more has to wait for its turn, as its output has. */
#define MESSAGES_AT_ONCE 256

/* See notify.h. */
static bool is_believed(const struct keeper *keeper, const struct notify_sender *sender)
{
	char path[32];

	if (sender->pid <= 0)
		return false;
	if (tree_has(keeper_marks(keeper), sender->pid))
		return true;
	snprintf(path, sizeof(path), "/proc/%d", (int)sender->pid);
	/* The users of a container are ours, too: nobody else reaches the socket. */
	return (sender->uid == geteuid() || keeper->spec->signals_leader) && access(path, F_OK) < 0;
}

static void refuse(struct keeper *keeper, const struct notify_sender *sender)
{
	if (!keeper->has_told_sender)
		log_writer_event(
			&keeper->log,
			"event=note\ntext=ignored a notification of pid %d, which is not of "
			"this service\n",
			(int)sender->pid);
	keeper->has_told_sender = true;
}

static void wind_watchdog(struct keeper *keeper)
{
	uint64_t us = keeper->status.watchdog_us;

	keeper->watchdog_at_ms = us > 0 ? clock_mono_ms() + (int64_t)MAX(us / 1000, 1) : 0;
}

static void extend(struct keeper *keeper, uint64_t us)
{
	int64_t until_us = clock_mono_ns() / 1000 + (int64_t)us;

	keeper->status.extend_us = (uint64_t)until_us;
	if (keeper->phase == PHASE_GRACE)
		keeper->deadline_ms = MAX(keeper->deadline_ms, until_us / 1000);
}

/* True when subscribers should hear of it. */
static bool take(struct keeper *keeper, const struct notify_message *message)
{
	struct keeper_status *status = &keeper->status;
	bool was_missed = status->watchdog_missed;

	if (message->is_ready)
		status->notify_ready = true;
	if (message->is_stopping)
		status->notify_stopping = true;
	if (message->text)
		keeper_copy_line(status->notify_text, sizeof(status->notify_text), message->text,
		                 message->text_len);
	if (message->has_watchdog_us)
		status->watchdog_us = message->watchdog_us;
	if (message->has_watchdog_us || message->watchdog == WATCHDOG_FED) {
		status->watchdog_missed = false;
		wind_watchdog(keeper);
	}
	if (message->watchdog == WATCHDOG_TRIGGERED) {
		status->watchdog_missed = true;
		keeper->watchdog_at_ms = 0;
	}
	if (message->has_extend_us)
		extend(keeper, message->extend_us);
	if (message->has_main_pid && !keeper->has_told_main_pid) {
		keeper->has_told_main_pid = true;
		log_writer_event(&keeper->log, "event=note\ntext=MAINPID is ignored: the "
		                               "program that was started stays the main one\n");
	}
	return message->is_ready || message->is_stopping || message->text ||
	       message->has_watchdog_us || message->has_extend_us ||
	       status->watchdog_missed != was_missed;
}

void keeper_hear(struct keeper *keeper)
{
	bool has_news = false;
	struct notify_message message;
	struct notify_sender sender;
	char data[NOTIFY_MESSAGE_MAX];
	ssize_t n;

	if (keeper->notify_fd < 0)
		return;
	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		n = notify_receive(keeper->notify_fd, data, &sender);
		if (n < 0)
			break;
		if (!is_believed(keeper, &sender)) {
			refuse(keeper, &sender);
			continue;
		}
		notify_parse(data, (size_t)n, &message);
		has_news |= take(keeper, &message);
	}
	if (has_news)
		keeper_tell(keeper);
}

void keeper_check_watchdog(struct keeper *keeper, int64_t now_ms)
{
	if (keeper->watchdog_at_ms == 0 || now_ms < keeper->watchdog_at_ms)
		return;
	keeper->watchdog_at_ms = 0;
	keeper->status.watchdog_missed = true;
	keeper_tell(keeper);
}
