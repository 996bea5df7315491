#include "cnb/owner.h"

#include "base/error.h"

#include <errno.h>
#include <unistd.h>

struct call {
	struct owner_ids ids;
	owner_fn *fn;
	void *data;
};

static int inside(void *data, struct error *err)
{
	const struct call *call = data;

	return call->fn(&call->ids, call->data, err);
}

int owner_run(const struct owner *owner, owner_fn *fn, void *data, struct error *err)
{
	struct call call = {{owner->uid, owner->gid}, fn, data};
	int64_t uid, gid;

	if (owner->map.is_single) {
		call.ids = (struct owner_ids){geteuid(), getegid()};
		return inside(&call, err);
	}
	if (geteuid() != 0)
		return userns_run(&owner->map, inside, &call, err);
	uid = userns_host_uid(&owner->map, owner->uid);
	gid = userns_host_gid(&owner->map, owner->gid);
	if (uid < 0 || gid < 0)
		return error_set(err, EINVAL, "the builder's user %u:%u is not in the id map",
		                 owner->uid, owner->gid);
	call.ids = (struct owner_ids){(uid_t)uid, (gid_t)gid};
	return inside(&call, err);
}
