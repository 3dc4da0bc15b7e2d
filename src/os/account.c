/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom this machine knows: the C library asks the modules that /etc/nsswitch.conf names (files,
 * LDAP, sssd ...), which it loads from the machine. A portable program brings a C library of its
 * own, for which these may be too new or too old to load: it takes the account files alone, and has
 * the machine's own getent(1) ask for whoever is not in them.
 */
#include "os/os.h"

#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
/* A group has its members in its line; longer ones than this are not believed. */
#define ANSWER_MAX ((size_t)1 << 20)

static bool files_alone;

void account_take_files_alone(void)
{
	static const char *const databases[] = { "passwd", "group", "services", "protocols" };
	for (size_t i = 0; i < sizeof(databases) / sizeof(*databases); i++)
		(void)__nss_configure_lookup(databases[i], "files");
	(void)__nss_configure_lookup("hosts", "files dns");
	files_alone = true;
}

/* A line of the account file, as the machine's own program finds it. */
static FILE *ask(const char *database, const char *whom, struct buffer *answer)
{
	CLEANUP_ERROR struct error *err = NULL;
	/* What begins like an option is nobody's name. */
	if (!files_alone || !*whom || *whom == '-')
		return NULL;
	CLEANUP_TEXT char *program = process_find_program("getent", &err);
	if (!program)
		return NULL;
	const char *const argv[] = { program, database, whom, NULL };
	/* The caller's may have a key in it, and libraries of another program. */
	const char *const none[] = { NULL };
	struct process_spawn spawn = PROCESS_SPAWN;
	spawn.argv = argv;
	spawn.envp = none;
	spawn.out = answer;
	spawn.out_limit = ANSWER_MAX;
	if (process_run(&spawn, &err) != 0 || answer->len == 0)
		return NULL;
	return fmemopen(answer->data, answer->len, "r");
}

static const struct passwd *ask_user(const char *whom)
{
	static char text[4096];
	static struct passwd user;
	struct passwd *found = NULL;
	CLEANUP_BUFFER struct buffer answer = { 0 };
	FILE *f = ask("passwd", whom, &answer);
	if (!f)
		return NULL;
	int r = fgetpwent_r(f, &user, text, sizeof(text), &found);
	(void)fclose(f);
	return r == 0 ? found : NULL;
}

static const struct group *ask_group(const char *whom)
{
	static char text[ANSWER_MAX];
	static struct group group;
	struct group *found = NULL;
	CLEANUP_BUFFER struct buffer answer = { 0 };
	FILE *f = ask("group", whom, &answer);
	if (!f)
		return NULL;
	int r = fgetgrent_r(f, &group, text, sizeof(text), &found);
	(void)fclose(f);
	return r == 0 ? found : NULL;
}

const struct passwd *account_user(uid_t uid)
{
	char number[16];
	const struct passwd *user = getpwuid(uid);
	(void)snprintf(number, sizeof(number), "%u", (unsigned)uid);
	return user ? user : ask_user(number);
}

const struct passwd *account_user_named(const char *name)
{
	const struct passwd *user = getpwnam(name);
	return user ? user : ask_user(name);
}

const struct group *account_group(gid_t gid)
{
	char number[16];
	const struct group *group = getgrgid(gid);
	(void)snprintf(number, sizeof(number), "%u", (unsigned)gid);
	return group ? group : ask_group(number);
}

const struct group *account_group_named(const char *name)
{
	const struct group *group = getgrnam(name);
	return group ? group : ask_group(name);
}

const char *account_home(uid_t uid)
{
	const char *home = getenv("HOME");
	if (home && *home == '/')
		return home;
	const struct passwd *user = account_user(uid);
	return user && *user->pw_dir == '/' ? user->pw_dir : NULL;
}
