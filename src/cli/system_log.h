/* system_log - the daemon's own log, as `locald logs --system` shows it. */
#pragma once

#include <stdbool.h>

struct cli;
struct error;
struct log_filter;

int system_log_show(struct cli *cli, const struct log_filter *filter, bool follow,
                    struct error *err);
