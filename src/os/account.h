/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_ACCOUNT_H
#define COFFER_OS_ACCOUNT_H

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>

/*
 * Users and groups as this machine knows them. What is returned is this file's, or the C library's,
 * until the next call; NULL: nobody knows such a one, or who was asked could not say. Before the
 * root directory is another one, and by one thread at a time.
 */
const struct passwd *account_user(uid_t uid);
const struct passwd *account_user_named(const char *name);
const struct group *account_group(gid_t gid);
const struct group *account_group_named(const char *name);

/*
 * From here on by the machine's account files and, for whoever is not in them, its getent(1): for a
 * program that brings its own C library. A name that begins with a dash is nobody's.
 */
void account_take_files_alone(void);

/*
 * A user's home: HOME, where that is an absolute path, else by the account, since engines that
 * empty the environment start us without it. NULL: none. The text is the environment's or the
 * account's.
 */
const char *account_home(uid_t uid);

#endif
