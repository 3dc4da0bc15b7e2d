/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapping in the kernel cannot be made so that it goes with its maker: it is made, and then
 * marked for removal. Both are done by a child process that outlives its parent, so that nobody
 * who kills the command leaves a mapping with a key in it behind; and where it is the child that is
 * killed, the parent, which has chosen the name, removes what that may have left.
 */
#include "os/os.h"
#include "seal/luks2/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Private: udev is to leave it alone, so that no scan of it delays its removal. */
#define ACTIVATE_FLAGS (CRYPT_ACTIVATE_READONLY | CRYPT_ACTIVATE_PRIVATE)

static int random_name(char *ret, size_t cap, struct error **err)
{
	uint8_t r[16];
	if (crypto_random(r, sizeof(r), err) < 0)
		return -1;
	int n = snprintf(ret, cap, "coffer-");
	for (size_t i = 0; i < sizeof(r); i++)
		n += snprintf(ret + n, cap - (size_t)n, "%02x", r[i]);
	return 0;
}

/* Makes the mapping, opens it and marks it for removal. */
static int map(const char *name, int header_fd, const char *block_device, const struct secret *key,
	       int *ret_fd, struct error **err)
{
	char path[128];
	CLEANUP_FD int fd = -1;
	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, header_fd, block_device, err) < 0)
		return -1;
	int r = crypt_load(d.cd, CRYPT_LUKS2, NULL);
	if (r < 0)
		return luks2_device_error(&d, r, "load the LUKS2 header", err);
	r = crypt_activate_by_volume_key(d.cd, name, (const char *)secret_bytes(key),
					 secret_size(key), ACTIVATE_FLAGS);
	if (r < 0) {
		/* What libcryptsetup says then is about the name of the mapping. */
		if (access("/sys/class/misc/device-mapper", F_OK) < 0)
			error_set(err, ERROR_SYSTEM, "the kernel has no dm-crypt");
		else
			luks2_device_error(&d, r, "hand the image to dm-crypt", err);
		if (error_kind(*err) != ERROR_MEMORY)
			error_set_kind(err, ERROR_SYSTEM);
		return error_hint(err, "--mount=kernel needs root and the module dm_crypt; "
				       "without it coffer decrypts the image itself");
	}
	snprintf(path, sizeof(path), "%s/%s", crypt_get_dir(), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved = errno;
	/* From here on the open descriptor alone keeps the mapping. */
	r = crypt_deactivate_by_name(d.cd, name, CRYPT_DEACTIVATE_DEFERRED);
	if (fd < 0)
		return error_errno(err, saved, "open %s", path);
	if (r < 0)
		return luks2_device_error(&d, r, "mark the mapping for removal", err);
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* There may be none. */
static void unmap(const char *name, int header_fd, const char *block_device)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_LUKS2_DEVICE struct luks2_device d = { 0 };
	if (luks2_device_init(&d, header_fd, block_device, &ignored) == 0 &&
	    crypt_load(d.cd, CRYPT_LUKS2, NULL) >= 0)
		(void)crypt_deactivate_by_name(d.cd, name, CRYPT_DEACTIVATE_DEFERRED);
}

static _Noreturn void child(int sock, const char *name, int header_fd, const char *block_device,
			    const struct secret *key)
{
	CLEANUP_ERROR struct error *err = NULL;
	int fd = -1;
	/* Neither the parent's death nor what a terminal sends to its group is to end this
	 * half-way. */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0 || setsid() < 0)
		error_errno(&err, errno, "part from the command");
	else if (map(name, header_fd, block_device, key, &fd, &err) == 0)
		/* If nobody is there any more the mapping goes with this process. */
		_exit(wire_send(sock, 'm', fd) < 0);
	(void)wire_send_error(sock, err);
	_exit(1);
}

static int map_in_child(int header_fd, const char *block_device, const struct secret *key,
			int *ret_fd, struct error **err)
{
	int socks[2];
	char name[64];
	CLEANUP_PROCESS struct process p = PROCESS_NONE;
	if (random_name(name, sizeof(name), err) < 0 || wire_open(socks, err) < 0)
		return -1;
	CLEANUP_FD int ours = socks[0], theirs = socks[1];
	int r = process_fork(0, &p);
	if (r < 0)
		return error_errno(err, -r, "start a process");
	if (r == 0)
		child(theirs, name, header_fd, block_device, key);
	fd_close(&theirs);
	/* What it sends fits the socket, so that it ends without being heard. */
	(void)process_wait(&p);
	CLEANUP_WIRE_PACKET struct wire_packet said = WIRE_PACKET_NONE;
	r = wire_receive(ours, &said);
	if (r < 0)
		return error_errno(err, -r, "receive the mapping");
	if (said.error) {
		*err = take_pointer(&said.error);
		return -1;
	}
	if (said.fd < 0) {
		unmap(name, header_fd, block_device);
		return error_set(err, ERROR_SYSTEM, "the process that maps the image died");
	}
	*ret_fd = fd_steal(&said.fd);
	return 0;
}

int luks2_kernel_map(const struct luks2_header *header, struct source *device,
		     const char *block_device, const struct secret *key, int *ret_fd,
		     struct error **err)
{
	CLEANUP_FD int header_fd = -1;
	/* The kernel, too, is set up from the vetted copy: only the payload is the image's. */
	if (luks2_header_to_memory(header, device, &header_fd, err) < 0)
		return -1;
	return map_in_child(header_fd, block_device, key, ret_fd, err);
}
