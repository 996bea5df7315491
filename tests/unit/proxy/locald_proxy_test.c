#include "proxy/proxy_main.h"

/* The worker alone, for tests that play the daemon (tests/e2e/proxy). */
int main(int argc, char **argv)
{
	return proxy_main(argc, argv);
}
