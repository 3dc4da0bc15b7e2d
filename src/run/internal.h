/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_RUN_INTERNAL_H
#define COFFER_RUN_INTERNAL_H

#include "run/confine/confine.h"
#include "run/env/env.h"
#include "run/extra/extra.h"
#include "run/life/life.h"
#include "run/plan/plan.h"
#include "run/root/root.h"

/*
 * Theory of operation. Two processes of ours take part:
 *
 *   the command     resolves the wishes into a struct run_plan (plan/), clones the container's
 *                   process, writes its id maps, unseals the image, forks the file server, waits.
 *                   With --mount=kernel it makes the kernel's mount instead, and there is no
 *                   server.
 *   the container's holds no key; makes the session directory, attaches the image, builds the
 *   process         layer, mounts the list of the plan, changes root, gives up privileges, takes
 *                   the environment scripts' results, and becomes the payload.
 *
 * Everything that needs the host's view (NSS, current directory, environment, existence of bind
 * sources) is looked up before the clone; everything beneath the new root goes through
 * descriptors, since the image's links point where they like.
 */

#define RUN_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#endif
