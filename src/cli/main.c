#include "base/str.h"
#include "cli/command.h"
#include "daemon/daemon_main.h"
#include "proxy/proxy_main.h"
#include "proxy/relay_main.h"
#include "proxy/site_main.h"

/* `locald daemon` is the daemon itself; with a command (`locald daemon status`) it is the CLI's. */
static bool is_daemon(int argc, char **argv)
{
	return str_eq(argv[1], "daemon") &&
	       (argc == 2 || (str_starts(argv[2], "--") && !str_eq(argv[2], "--help")));
}

int main(int argc, char **argv)
{
	if (argc > 1 && is_daemon(argc, argv))
		return daemon_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "proxy"))
		return proxy_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "relay"))
		return relay_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "site"))
		return site_main(argc - 1, argv + 1);
	return command_main(argc, argv);
}
