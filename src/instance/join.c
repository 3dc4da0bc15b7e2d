/* SPDX-License-Identifier: Apache-2.0 */
#include "instance/internal.h"

#include <unistd.h>

/*
 * The state is a file, and a payload that has the home may write there. So it is believed in
 * nothing here: who answers at the door has to be who holds the lock, a process of this user beside
 * this one, and what this one says is taken from there (run/life/entrance.c).
 */
static int check_keeper(int door, const struct instance *i, struct error **err)
{
	pid_t peer;
	if (process_peer_is_beside(door, &peer) && peer == i->keeper)
		return 0;
	error_set(err, ERROR_POLICY, "instance %s is kept by a process that is not to be trusted",
		  i->name);
	return error_hint(err,
			  "it is in a container itself, or another has taken its name: stop it, "
			  "and start it again");
}

int instance_join(const char *name, const struct run_wish *wish, int *ret_status,
		  struct error **err)
{
	CLEANUP_INSTANCE struct instance i = { 0 };
	CLEANUP_FD int place = instance_open_place(NULL, NULL, err);
	if (place < 0)
		return -1;
	int r = instance_check_name(name, err);
	if (r == 0)
		r = instance_state_read(place, name, true, &i, err);
	else
		error_free(err);
	if (r < 0 && *err)
		return -1;
	if (r <= 0) {
		error_set(err, ERROR_NOT_FOUND,
			  "While setting image/instance: no instance found with name %s", name);
		return error_hint(err, "`instance list` tells which there are");
	}
	CLEANUP_FD int door = instance_door(place, name, false, err);
	if (door < 0 || check_keeper(door, &i, err) < 0)
		return -1;
	fd_close(&place);
	return run_join(door, wish, ret_status, err);
}
