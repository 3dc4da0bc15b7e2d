/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <stdlib.h>

const struct passwd *account_user(uid_t uid)
{
	return getpwuid(uid);
}

const struct passwd *account_user_named(const char *name)
{
	return getpwnam(name);
}

const struct group *account_group(gid_t gid)
{
	return getgrgid(gid);
}

const struct group *account_group_named(const char *name)
{
	return getgrnam(name);
}

const char *account_home(uid_t uid)
{
	const char *home = getenv("HOME");
	if (home && *home == '/')
		return home;
	const struct passwd *user = account_user(uid);
	return user && *user->pw_dir == '/' ? user->pw_dir : NULL;
}
