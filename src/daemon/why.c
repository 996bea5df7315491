#include "daemon/why.h"

#include "base/mem.h"

#include <inttypes.h>
#include <signal.h>

/* Deeper is no chain that anybody wants to read. */
#define CHAIN_MAX 32

void why_release(struct why *why)
{
	strbuf_release(&why->text);
	strbuf_release(&why->fix);
	strv_release(&why->chain);
	strv_release(&why->last_lines);
}

/* "0.8 s", "12 s", "4 m", "2 h 14 m", "3 d" */
static void add_time(struct strbuf *out, int64_t ms)
{
	int64_t s = ms / 1000, m = s / 60, h = m / 60;

	if (ms < 10000)
		strbuf_addf(out, "%.1f s", (double)(ms > 0 ? ms : 0) / 1000);
	else if (s < 120)
		strbuf_addf(out, "%" PRId64 " s", s);
	else if (m < 60)
		strbuf_addf(out, "%" PRId64 " m", m);
	else if (h < 48)
		strbuf_addf(out, "%" PRId64 " h %" PRId64 " m", h, m % 60);
	else
		strbuf_addf(out, "%" PRId64 " d", h / 24);
}

static void add_ago(struct strbuf *out, int64_t ms)
{
	strbuf_adds(out, ", ");
	add_time(out, ms);
	strbuf_adds(out, " ago");
}

/* --- what makes it ready --- */

static void add_probe(struct strbuf *out, const struct service_snapshot *service)
{
	const struct service_plan *plan = service->plan;

	if (plan->health.kind == PLAN_HEALTH_COMMAND)
		strbuf_adds(out, "its health check command succeeds");
	else if (plan->health.kind == PLAN_HEALTH_LOG)
		strbuf_addf(out, "a line of its log matches `%s`", plan->health.pattern);
	else if (plan->health.kind == PLAN_HEALTH_NOTIFY)
		strbuf_adds(out, "it says READY=1 (sd_notify)");
	else if (plan->health.kind == PLAN_HEALTH_HTTP)
		strbuf_addf(out, "GET %s on port %d is answered", plan->health.path, service->port);
	else if (plan->has_port &&
	         (plan->health.kind == PLAN_HEALTH_DEFAULT || plan->health.kind == PLAN_HEALTH_TCP))
		strbuf_addf(out, "port %d accepts connections", service->port);
	else if (plan->health.kind == PLAN_HEALTH_DEFAULT)
		strbuf_adds(out, "it runs, and has no port to be looked at");
	else
		strbuf_adds(out, "its health check says so");
}

/* --- how it ended --- */

static void add_exit(struct strbuf *out, int code, int signo, int64_t run_ms)
{
	if (signo)
		strbuf_addf(out, "ended by SIG%s after ", sigabbrev_np(signo) ?: "?");
	else
		strbuf_addf(out, "exited with code %d after ", code);
	add_time(out, run_ms);
}

/* --- a phrase for each state: "crashed, exited with code 1 after 0.8 s" --- */

typedef void phrase_fn(const struct why_source *source, const struct service_snapshot *service,
                       struct why *why);

static void preparing(const struct why_source *source, const struct service_snapshot *service,
                      struct why *why)
{
	strbuf_addf(&why->text, "building, %s",
	            service->detail ? service->detail : "its image is being made ready");
}

static void starting(const struct why_source *source, const struct service_snapshot *service,
                     struct why *why)
{
	strbuf_adds(&why->text, "starting");
	if (service->detail)
		strbuf_addf(&why->text, ", %s", service->detail);
}

static void being_ready(const struct why_source *source, const struct service_snapshot *service,
                        struct why *why)
{
	struct strbuf *out = &why->text;

	strbuf_adds(out, "ready, ");
	add_probe(out, service);
	if (service->ready_ms >= 0) {
		strbuf_adds(out, ", for ");
		add_time(out, service->ready_ms);
	}
	strbuf_addf(out, "; run %" PRIu32 ", process %d", service->run, (int)service->pid);
	if (service->restarts > 0)
		strbuf_addf(out, ", started again after %d crash%s in a row", service->restarts,
		            service->restarts == 1 ? "" : "es");
	if (service->warning)
		strbuf_addf(out, "; %s", service->warning);
}

static void running(const struct why_source *source, const struct service_snapshot *service,
                    struct why *why)
{
	struct strbuf *out = &why->text;

	if (service->ready) {
		being_ready(source, service, why);
		return;
	}
	strbuf_adds(out, service->plan->oneshot ? "at work for " : "starting for ");
	add_time(out, service->age_ms);
	if (service->detail)
		strbuf_addf(out, ", %s", service->detail);
	if (service->plan->oneshot)
		return;
	strbuf_adds(out, "; it is ready when ");
	add_probe(out, service);
	strbuf_addf(&why->fix, "locald logs %s", service->plan->name);
}

static void unhealthy(const struct why_source *source, const struct service_snapshot *service,
                      struct why *why)
{
	strbuf_addf(&why->text, "unhealthy, its probe failed %d times in a row: %s",
	            service->plan->health.retries, service->detail ? service->detail : "no answer");
	strbuf_addf(&why->fix, "locald logs %s", service->plan->name);
}

static void stopping(const struct why_source *source, const struct service_snapshot *service,
                     struct why *why)
{
	strbuf_adds(&why->text, "stopping, it is killed when it has not ended after ");
	add_time(&why->text, service->plan->stop_timeout_ms);
}

static void stopped(const struct why_source *source, const struct service_snapshot *service,
                    struct why *why)
{
	struct strbuf *out = &why->text;
	struct log_exit exit;

	strbuf_addf(&why->fix, "locald up %s", service->plan->name);
	if (service->run == 0) {
		strbuf_adds(out, "stopped, nobody has started it yet");
		return;
	}
	if (!source->find_exit(service->plan->name, service->run, &exit, source->data)) {
		strbuf_addf(out, "stopped, and how run %" PRIu32 " ended is not known",
		            service->run);
		return;
	}
	strbuf_adds(out, exit.requested ? "stopped, as it was asked to: run "
	                                : "stopped, it had ended before anybody asked: run ");
	strbuf_addf(out, "%" PRIu32 " ", service->run);
	add_exit(out, exit.code, exit.signal, exit.run_ms);
	if (exit.killed)
		strbuf_adds(out, " and had to be killed");
	add_ago(out, exit.ago_ms);
}

static void exited(const struct why_source *source, const struct service_snapshot *service,
                   struct why *why)
{
	const struct service_exit *last = &service->last_exit;

	strbuf_adds(&why->text, "ended, ");
	add_exit(&why->text, last->code, last->signal, last->run_ms);
	add_ago(&why->text, last->ago_ms);
	if (service->plan->oneshot)
		strbuf_adds(&why->text, "; it has done its work");
	else
		strbuf_addf(&why->fix, "locald up %s", service->plan->name);
}

static void add_next_try(const struct service_snapshot *service, struct strbuf *out)
{
	if (service->next_try_ms >= 0) {
		strbuf_adds(out, "; the next try is in ");
		add_time(out, service->next_try_ms);
		return;
	}
	strbuf_adds(out, service->plan->restart == PLAN_RESTART_NO
	                         ? "; it is not started again (restart = \"no\")"
	                         : "; it is not started again");
}

static void crashed(const struct why_source *source, const struct service_snapshot *service,
                    struct why *why)
{
	const struct service_exit *last = &service->last_exit;
	struct strbuf *out = &why->text;

	strbuf_addf(out, "crashed, %s", service->detail ? service->detail : "it ended");
	if (last->is_known)
		add_ago(out, last->ago_ms);
	if (service->restarts > 1)
		strbuf_addf(out, ", %d times in a row", service->restarts);
	add_next_try(service, out);
	if (service->last_lines)
		strv_copy(&why->last_lines, service->last_lines);
	if (last->is_known && last->code == 127)
		strbuf_addf(&why->fix, "correct `command` of %s in locald.toml: it was not found",
		            service->plan->name);
	else
		strbuf_addf(&why->fix, "locald logs %s", service->plan->name);
}

static void blocked(const struct why_source *source, const struct service_snapshot *service,
                    struct why *why)
{
	strbuf_addf(&why->text, "blocked, %s",
	            service->detail ? service->detail : "its configuration is not approved");
	strbuf_adds(&why->fix, "locald up");
}

static void waiting(const struct why_source *source, const struct service_snapshot *service,
                    struct why *why)
{
	strbuf_addf(&why->text, "waiting, %s",
	            service->detail ? service->detail : "its turn comes at once");
}

static void scheduled(const struct why_source *source, const struct service_snapshot *service,
                      struct why *why)
{
	strbuf_addf(&why->text, "a job that waits until it is due, %s",
	            service->detail ? service->detail : "and never is");
	strbuf_addf(&why->fix, "locald restart %s", service->plan->name);
}

static const struct {
	phrase_fn *fn;
	bool is_verb; /* "web crashed", not "web is crashed" */
} phrases[SERVICE_STATE_COUNT] = {
	[SERVICE_WAITING] = {waiting},       [SERVICE_PREPARING] = {preparing},
	[SERVICE_STARTING] = {starting},     [SERVICE_RUNNING] = {running},
	[SERVICE_UNHEALTHY] = {unhealthy},   [SERVICE_STOPPING] = {stopping},
	[SERVICE_STOPPED] = {stopped},       [SERVICE_EXITED] = {exited, true},
	[SERVICE_CRASHED] = {crashed, true}, [SERVICE_BLOCKED] = {blocked},
	[SERVICE_SCHEDULED] = {scheduled},
};

/* --- the chain --- */

static bool holds(const struct service_snapshot *on, enum dep_condition condition)
{
	bool has_completed = on->state == SERVICE_EXITED && on->last_exit.is_known &&
	                     service_plan_is_success(on->plan, on->last_exit.code);

	if (condition == DEP_READY)
		return on->ready;
	if (condition == DEP_STARTED)
		return on->state == SERVICE_RUNNING || on->state == SERVICE_UNHEALTHY ||
		       has_completed;
	return has_completed;
}

/* The first of its dependencies that is not there yet. */
static bool find_blocker(const struct why_source *source, const struct service_snapshot *service,
                         struct service_snapshot *ret)
{
	array_foreach(dep, &service->plan->deps)
		if (source->find(dep->name, ret, source->data) && !holds(ret, dep->condition))
			return true;
	return false;
}

bool why_explain(const struct why_source *source, const char *name, struct why *ret)
{
	struct service_snapshot service, next;
	struct strbuf *out = &ret->text;

	if (!source->find(name, &service, source->data))
		return false;
	strv_add(&ret->chain, name);
	while (service.state == SERVICE_WAITING && ret->chain.len < CHAIN_MAX &&
	       find_blocker(source, &service, &next)) {
		if (ret->chain.len == 1)
			strbuf_adds(out, name);
		strbuf_addf(out, "%s waits for %s", ret->chain.len > 1 ? ", which" : "",
		            next.plan->name);
		strv_add(&ret->chain, next.plan->name);
		service = next;
	}
	if (ret->chain.len > 1)
		strbuf_adds(out, ": ");
	else
		strbuf_addf(out, "%s %s", name, phrases[service.state].is_verb ? "" : "is ");
	phrases[service.state].fn(source, &service, ret);
	return true;
}
