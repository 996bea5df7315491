#include "service/supervisor_internal.h"

#include <inttypes.h>
#include <signal.h>

/* So that none of the others that are in the cgroup is said to have been killed by it. */
static void lay_oom_to(struct service *service)
{
	const struct oom_watch watch = service->oom;

	array_foreach(project, &service->sup->projects)
		array_foreach(other, &(*project)->services)
			oom_watch_took(&(*other)->oom, &watch);
}

/* Killed, and not by us: did the kernel do it, for want of memory?  As a text, else NULL. */
static char *oom_text(struct service *service)
{
	const struct supervisor_world *world = service->sup->world;
	const struct service_exit *exit = &service->last_exit;
	bool is_kill = exit->signal == SIGKILL || exit->code == 128 + SIGKILL;
	uint64_t limit;

	if (!is_kill || exit->killed || exit->requested ||
	    !world->oom_look(&service->oom, &limit, world->data))
		return NULL;
	lay_oom_to(service);
	if (limit == 0)
		return xstrdup("killed: out of memory (the machine's)");
	return xasprintf("killed: out of memory (limit %" PRIu64 " MiB)", limit >> 20);
}

char *service_exit_text(struct service *service)
{
	const struct service_exit *exit = &service->last_exit;
	cleanup_free char *oom = oom_text(service);
	const char *reason = service->end_reason;
	char seconds[32];

	if (!exit->is_known)
		return xstrdup("its keeper was lost: its exit code is unknown");
	snprintf(seconds, sizeof(seconds), "%.1f s", (double)exit->run_ms / 1000);
	if (reason)
		return xasprintf("was ended after %s: %s", seconds, reason);
	if (service->end_cause || oom)
		return xasprintf("%s after %s", service->end_cause ? service->end_cause : oom,
		                 seconds);
	if (exit->signal)
		return xasprintf("killed by SIG%s after %s", sigabbrev_np(exit->signal) ?: "?",
		                 seconds);
	return xasprintf("exited with code %d after %s", exit->code, seconds);
}
