/*
 * label - AppArmor profiles and SELinux labels, on hosts that have them.
 *
 * A host without the security module refuses a configuration that asks for it:
 * nothing would confine the container.  Labels are written through the shim's
 * own /proc, so that a faked one in the container gets nothing.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>

struct error;
struct spec_process;

bool label_has_apparmor(void);
bool label_has_selinux(void);
int label_check(const struct spec_process *process, const char *mount_label, struct error *err);
/* For the next execve; runs in the child. */
int label_apply(int proc, const struct spec_process *process, struct error *err);
