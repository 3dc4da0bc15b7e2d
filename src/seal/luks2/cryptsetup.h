/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_SEAL_LUKS2_CRYPTSETUP_H
#define COFFER_SEAL_LUKS2_CRYPTSETUP_H

#include <libcryptsetup.h>

#include "base/base.h"

/*
 * libcryptsetup brings eight more libraries, and an image that is no LUKS2 has no use for it. So
 * it is loaded (luks2_load), and called through a table by its own names.
 */
/* clang-format off */
#define LUKS2_CRYPTSETUP_FUNCTIONS(F) \
	F(crypt_activate_by_volume_key) \
	F(crypt_deactivate_by_name) \
	F(crypt_format) \
	F(crypt_free) \
	F(crypt_get_dir) \
	F(crypt_get_pbkdf_default) \
	F(crypt_get_uuid) \
	F(crypt_init) \
	F(crypt_init_data_device) \
	F(crypt_keyslot_add_by_volume_key) \
	F(crypt_keyslot_destroy) \
	F(crypt_load) \
	F(crypt_metadata_locking) \
	F(crypt_set_data_offset) \
	F(crypt_set_log_callback) \
	F(crypt_set_metadata_size) \
	F(crypt_set_pbkdf_type) \
	F(crypt_token_external_disable) \
	F(crypt_volume_key_get)
/* clang-format on */

extern struct luks2_cryptsetup {
	LUKS2_CRYPTSETUP_FUNCTIONS(LIBRARY_MEMBER)
} luks2_cryptsetup;

#define crypt_activate_by_volume_key luks2_cryptsetup.crypt_activate_by_volume_key
#define crypt_deactivate_by_name luks2_cryptsetup.crypt_deactivate_by_name
#define crypt_format luks2_cryptsetup.crypt_format
#define crypt_free luks2_cryptsetup.crypt_free
#define crypt_get_dir luks2_cryptsetup.crypt_get_dir
#define crypt_get_pbkdf_default luks2_cryptsetup.crypt_get_pbkdf_default
#define crypt_get_uuid luks2_cryptsetup.crypt_get_uuid
#define crypt_init luks2_cryptsetup.crypt_init
#define crypt_init_data_device luks2_cryptsetup.crypt_init_data_device
#define crypt_keyslot_add_by_volume_key luks2_cryptsetup.crypt_keyslot_add_by_volume_key
#define crypt_keyslot_destroy luks2_cryptsetup.crypt_keyslot_destroy
#define crypt_load luks2_cryptsetup.crypt_load
#define crypt_metadata_locking luks2_cryptsetup.crypt_metadata_locking
#define crypt_set_data_offset luks2_cryptsetup.crypt_set_data_offset
#define crypt_set_log_callback luks2_cryptsetup.crypt_set_log_callback
#define crypt_set_metadata_size luks2_cryptsetup.crypt_set_metadata_size
#define crypt_set_pbkdf_type luks2_cryptsetup.crypt_set_pbkdf_type
#define crypt_token_external_disable luks2_cryptsetup.crypt_token_external_disable
#define crypt_volume_key_get luks2_cryptsetup.crypt_volume_key_get

#endif
