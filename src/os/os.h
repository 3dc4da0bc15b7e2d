/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OS_OS_H
#define COFFER_OS_OS_H

/* The door of os/: what of Linux more than one folder needs, once. */
#include "os/account.h"
#include "os/confine.h"
#include "os/member.h"
#include "os/mount.h"
#include "os/namespace.h"
#include "os/process.h"
#include "os/userns.h"
#include "os/walk.h"
#include "os/wire.h"

#endif
