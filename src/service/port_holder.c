#include "service/port_holder.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "keeper/protocol.h"
#include "service/proc_tree.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* The state of a listening socket in /proc/net/tcp, see include/net/tcp_states.h of Linux. */
#define STATE_LISTEN 0x0a

/* Descriptors looked at for one tree or one holder: a bound for what others may open. */
#define FDS_MAX 65536

/* Addresses are hex of 32-bit words as they lie in memory: 1 or 4 of them. */
static void parse_address(const char *hex, size_t words, void *out)
{
	for (size_t i = 0; i < words; i++) {
		char digits[9] = "";
		uint32_t word;

		memcpy(digits, hex + i * 8, 8);
		word = (uint32_t)strtoul(digits, NULL, 16);
		memcpy((char *)out + i * sizeof(word), &word, sizeof(word));
	}
}

static void judge_address(struct port_listener *listener, const char *hex)
{
	struct in6_addr six;
	struct in_addr four;

	if (listener->is_ipv6) {
		parse_address(hex, 4, &six);
		listener->is_any = IN6_IS_ADDR_UNSPECIFIED(&six);
		listener->is_reachable =
			listener->is_any || IN6_IS_ADDR_LOOPBACK(&six) ||
			(IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr32[3] == htonl(INADDR_LOOPBACK));
	} else {
		parse_address(hex, 1, &four);
		listener->is_any = four.s_addr == htonl(INADDR_ANY);
		listener->is_reachable = listener->is_any || four.s_addr == htonl(INADDR_LOOPBACK);
	}
}

/*
 * What listens comes first; no more is read than that.  Behind it come the connections of the last
 * minute, perhaps tens of thousands, and each read among them takes the kernel milliseconds.
 */
static int read_table(const char *path, bool is_ipv6, struct port_listeners *ret, struct error *err)
{
	cleanup_file FILE *file = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t size = 0, digits = is_ipv6 ? 32 : 8;

	if (!file)
		return is_ipv6 && errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
	while (getline(&line, &size, file) > 0) {
		struct port_listener *listener;
		char addr[40];
		unsigned int port, state;
		unsigned long long inode;

		if (sscanf(line, " %*d: %39[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %llu", addr,
		           &port, &state, &inode) != 4 ||
		    strlen(addr) != digits)
			continue;
		if (state != STATE_LISTEN)
			break;
		listener = array_add(&ret->items);
		*listener = (struct port_listener){
			.port = (int)port, .inode = inode, .is_ipv6 = is_ipv6};
		judge_address(listener, addr);
	}
	return 0;
}

static int read_network_of(const char *process, struct port_listeners *ret, struct error *err)
{
	cleanup_free char *ipv4 = xasprintf("/proc/%s/net/tcp", process);
	cleanup_free char *ipv6 = xasprintf("/proc/%s/net/tcp6", process);

	if (read_table(ipv4, false, ret, err) == 0 && read_table(ipv6, true, ret, err) == 0)
		return 0;
	port_listeners_release(ret);
	return -1;
}

int port_listeners_read(struct port_listeners *ret, struct error *err)
{
	return read_network_of("self", ret, err);
}

/* 0 when it cannot be looked at. */
static ino_t network_of(const char *process)
{
	cleanup_free char *path = xasprintf("/proc/%s/ns/net", process);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

int port_listeners_read_inside(pid_t root, struct port_listeners *ret, struct error *err)
{
	cleanup(proc_tree_release) struct proc_tree tree = {0};
	ino_t ours = network_of("self"), theirs;

	proc_tree_read(root, &tree);
	array_foreach(pid, &tree.pids) {
		cleanup_free char *name = xasprintf("%d", (int)*pid);

		theirs = network_of(name);
		if (theirs && theirs != ours)
			return read_network_of(name, ret, err);
	}
	return 0;
}

void port_listeners_release(struct port_listeners *listeners)
{
	array_release(&listeners->items);
}

const struct port_listener *port_listeners_find(const struct port_listeners *listeners, int port)
{
	array_foreach(listener, &listeners->items)
		if (listener->port == port)
			return listener;
	return NULL;
}

typedef void socket_fn(pid_t pid, uint64_t inode, void *data);

/* Calls fn for each socket the process has open. */
static void each_socket(pid_t pid, socket_fn *fn, void *data)
{
	char path[64], link[64];
	struct dirent *entry;
	DIR *fds;
	int left = FDS_MAX;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (!fds)
		return;
	while ((entry = readdir(fds)) && left-- > 0) {
		ssize_t n = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (str_starts(link, "socket:["))
			fn(pid, strtoull(link + strlen("socket:["), NULL, 10), data);
	}
	closedir(fds);
}

struct search {
	const struct port_listeners *among;
	struct port_listeners *found;
};

static void take_listener(pid_t pid, uint64_t inode, void *data)
{
	const struct search *search = data;

	array_foreach(known, &search->found->items)
		if (known->inode == inode)
			return;
	array_foreach(listener, &search->among->items)
		if (listener->inode == inode)
			*array_add(&search->found->items) = *listener;
}

void port_listeners_of_tree(const struct port_listeners *listeners, pid_t root,
                            struct port_listeners *ret)
{
	struct search search = {.among = listeners, .found = ret};
	cleanup(proc_tree_release) struct proc_tree tree = {0};

	if (listeners->items.len == 0 || root <= 0)
		return;
	proc_tree_read(root, &tree);
	array_foreach(pid, &tree.pids)
		each_socket(*pid, take_listener, &search);
}

struct owner_search {
	uint64_t inode;
	pid_t pid;
};

static void match_owner(pid_t pid, uint64_t inode, void *data)
{
	struct owner_search *search = data;

	if (inode == search->inode)
		search->pid = pid;
}

static pid_t owner_of(uint64_t inode)
{
	struct owner_search search = {.inode = inode};
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && search.pid == 0 && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			each_socket((pid_t)strtoul(entry->d_name, NULL, 10), match_owner, &search);
	if (proc)
		closedir(proc);
	return search.pid;
}

#define COMMAND_MAX     256
#define ENVIRONMENT_MAX (4UL << 20)

/* The command line with spaces for its NULs, and nothing a terminal would act on. */
static char *command_of(pid_t pid)
{
	char path[64], buf[COMMAND_MAX];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	if (n <= 0)
		return NULL;
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0' || iscntrl((unsigned char)buf[i]))
			buf[i] = ' ';
	return xstrndup(buf, (size_t)n);
}

static char *cwd_of(pid_t pid)
{
	char path[64], buf[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = readlink(path, buf, sizeof(buf) - 1);
	return n > 0 ? xstrndup(buf, (size_t)n) : NULL;
}

/* An entry of its environment as it was at its start; NULL: none, or not for us to see. */
static char *environment_of(pid_t pid, const char *name)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf all = STRBUF_INIT;
	cleanup_close int fd = -1;
	char path[64];
	size_t len = strlen(name);

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_to_end(fd, &all, ENVIRONMENT_MAX, &err) < 0)
		return NULL;
	for (const char *at = all.buf; at < all.buf + all.len; at += strlen(at) + 1)
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return xstrdup(at + len + 1);
	return NULL;
}

/* From the mark that keepers give: …/<project id>/<service>/<run> */
static char *managed_as(pid_t pid)
{
	cleanup_free char *mark = environment_of(pid, KEEPER_RUN_VARIABLE);
	cleanup_free char *log_dir = mark ? path_dir(mark) : NULL;
	cleanup_free char *folder = log_dir ? path_dir(log_dir) : NULL;

	if (!folder || *path_base(log_dir) == '\0' || *path_base(folder) == '\0')
		return NULL;
	return xasprintf("%s of %s", path_base(log_dir), path_base(folder));
}

static int64_t age_of(pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;

	if (proc_read_stat(pid, &stat, &err) < 0)
		return -1;
	return clock_boot_ns() / 1000000 - (int64_t)stat.start_ticks * 1000 / sysconf(_SC_CLK_TCK);
}

bool port_holder_find(int port, struct port_holder *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct port_listeners listeners = {0};
	const struct port_listener *listener;
	struct port_holder holder = {.age_ms = -1};

	if (port_listeners_read(&listeners, &err) < 0)
		return false;
	listener = port_listeners_find(&listeners, port);
	if (listener)
		holder.pid = owner_of(listener->inode);
	port_listeners_release(&listeners);
	if (!listener)
		return false;
	if (holder.pid > 0) {
		holder.command = command_of(holder.pid);
		holder.cwd = cwd_of(holder.pid);
		holder.age_ms = age_of(holder.pid);
		holder.managed = managed_as(holder.pid);
	}
	*ret = holder;
	return true;
}

void port_holder_release(struct port_holder *holder)
{
	free(holder->command);
	free(holder->cwd);
	free(holder->managed);
	*holder = (struct port_holder){0};
}

static void add_age(struct strbuf *text, int64_t age_ms)
{
	int64_t minutes = age_ms / 60000;

	if (age_ms < 0)
		return;
	if (minutes < 1)
		strbuf_addf(text, ", up %d s", (int)(age_ms / 1000));
	else if (minutes < 60)
		strbuf_addf(text, ", up %d min", (int)minutes);
	else if (minutes < 48 * 60)
		strbuf_addf(text, ", up %d h", (int)(minutes / 60));
	else
		strbuf_addf(text, ", up %d d", (int)(minutes / (24 * 60)));
}

char *port_holder_text(const struct port_holder *holder)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (holder->pid == 0)
		return xstrdup("a process of another user");
	strbuf_addf(&text, "pid %d", (int)holder->pid);
	if (holder->command)
		strbuf_addf(&text, " (%s)", holder->command);
	if (holder->cwd)
		strbuf_addf(&text, " in %s", holder->cwd);
	add_age(&text, holder->age_ms);
	strbuf_adds(&text, holder->managed ? ", managed by locald as " : ", not managed by locald");
	strbuf_adds(&text, holder->managed ? holder->managed : "");
	return strbuf_detach(&text);
}
