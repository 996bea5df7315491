#include "base/attrs.h"
#include "lifecycle/launcher.h"

int main(unused_arg int argc, char **argv)
{
	return launcher_main((const char *const *)argv);
}
