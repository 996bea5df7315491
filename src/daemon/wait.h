/*
 * wait - clients that wait until services are as they say: ready, started,
 * stopped, completed, healthy.
 *
 * Each change of state is looked at once; nothing polls.  Waiting ends early, as
 * failed, when a service will not become so unless somebody does something.  The
 * project need not be known yet: an `up` may be on its way.
 */
#pragma once

#include "base/json.h"

struct daemon;
struct http_exchange;

/* POST /v1/wait */
void wait_begin(struct daemon *daemon, struct http_exchange *x, const json_t *request);
/* Something changed. */
void waits_on_state(struct daemon *daemon);
void waits_release(struct daemon *daemon);
