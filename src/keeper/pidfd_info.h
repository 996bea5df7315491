/*
 * pidfd_info - how a process ended that is nobody's child here: ioctl(2) PIDFD_GET_INFO.
 *
 * The kernel tells it from 6.15 on, once the process has been reaped by its parent.  The
 * layout is the first one of struct pidfd_info (64 bytes) and is the kernel's promise; the C
 * library's headers may not know of it yet.
 */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct pidfd_info_exit {
	uint64_t mask; /* asked for; then, what is known */
	uint64_t cgroup_id;
	uint32_t ids[11];  /* pid, tgid, ppid, and four pairs of uid and gid */
	int32_t exit_code; /* as waitpid(2) says it */
};

#define PIDFD_INFO_EXIT_BIT   (UINT64_C(1) << 3)
#define PIDFD_GET_INFO_NUMBER _IOWR(0xff, 11, struct pidfd_info_exit)
