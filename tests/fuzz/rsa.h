/* SPDX-License-Identifier: Apache-2.0 */
/* A key made for the fuzz targets and used nowhere else. */
#define FUZZ_RSA_PRIVATE                                                     \
	"-----BEGIN RSA PRIVATE KEY-----\n"                                  \
	"MIIEowIBAAKCAQEA0zgv5PRfyW3fx62lTlHcNt6XSrYCiNTmdXli/iPSxDgUOPc9\n" \
	"pqy01tFd9fV8QdFJqGjgExCJsJeptIAqtgZvdS5Mu6HCwnJT9dDALUId0TLl45Xx\n" \
	"SCaFE1c1keNyXa5hNARQHAe3YDTc6UylW3Q4BLz9mTRmWicdLHGu1jLDZe1n07Zl\n" \
	"xWTV/4HSVxHoAdn65N5kii0tQeijobNQNcF4H42xv2GFIQxqk2gkfZFZqRBbQHIL\n" \
	"+Yq5V9jQlcVCTQYptgOlbPeUpmj/CNLYXypuCtkQCZ86xhWEM8c7e0CjbXKmbetI\n" \
	"ru1wLLk51mfa+0+TtlAhkpM4Jrem2BO3mFi+4QIDAQABAoIBAExJQNMah/YCXw6J\n" \
	"Yuj0m+qdXls3fZbZ/hpzqxNK8Pa5omQot/WY7v+fQqZw8V38LvRKXJPGJ1TGkh6F\n" \
	"I+f2Tw8tl7004VjFXhmsOZyfApHqJimaoDiE4Q9pMgns8gNv1d+ppx1YlByFOzxv\n" \
	"2FE9mnXrpFRPHqB0/A5vSMxILVaETiCdFolIzylhv8VR2LbEykh5aQsi7j4mRVFx\n" \
	"h2ZGIy0vBVlOL+m2r+O9g2Pi2JiXnkiegzfsdG+5LwKLoGIAOFqCNKcEFLWPNEOF\n" \
	"/Sw9Nbf02PYmMUZdtTw2uK3GnRHndnyCQ+xkN2S57awJm7x4i2iPd3KeAQEbO9Lo\n" \
	"9fqSCFkCgYEA8bsTk9HnYHkgOoXwsDEYmV6TVS5ZNS7ZoeIapcaDsgRXX0oqDkyO\n" \
	"oD+Z/1kA+AZYsh/A9t1CSRCRbDK2v+sy7hv2ojEipFMBZz/abzd0dJ4cVbQjfSf8\n" \
	"9zW83ZP3pei4l/vcS5iYiJEuSwGd3u5zHxRLVnB5aHpbFuMCyGwDsp8CgYEA37AJ\n" \
	"xSRGRjHcKX0OHiISHgBWVbe3On2mQTzfXhoK8pCZpQ/swo92DQKnMo916/hqiZvv\n" \
	"ZwV82JR7r/e9VzYPQRwWwWt0bOEsb0jOLhQ9MEoUILkfr7l9zwKgbmyJyXKYLa4/\n" \
	"skft8dQoYP+rP+075EzvfLL9U95Td6SMSOybnn8CgYEArmMGkZpZMCjRzkZ4R7Nz\n" \
	"iplG8qmYI5zj1jxWeweGVHN7ULwhMOWb8xFPGH5uC4AQlpf/zlf6jNlN/99qJXQY\n" \
	"7tvvhjyqQB+9oG3ZOGiqM8Mor89f1td1UCZNVRB9FQyZttM0rrisOcF6wxOsf3pI\n" \
	"RMCQRRCpFW1Hr3AfvtTlqgMCgYBl0HTB/N7XuH4jjD5OzOc+LJ0fav3Fa8euzgxF\n" \
	"gskU22hzzynO7QmoplqAEvhzraCgfg+b7s2CryMVV0ghWAPdePGKnGRj4qIdDSB7\n" \
	"rM6lGjLLKjgX/fAbt3BakqCsxrIpqLRpa4AMoKq4a+cAs/Sc17/yHG5eLEYFoSoR\n" \
	"T1EN9QKBgFDN6MWKaJa5ikCh4Q3BkjMo4C1x4MWeIyks/ptPQRMWF5P2JaQXgcd9\n" \
	"N+32tkoX+Iy3FJbyJ9zGRf16oG4n5cGsntW+jmndfh2B8wx6INFMcAOR4jkTOeyG\n" \
	"cRBYW7wTit8a8OeThI7aS6/wUCuOHVZUCgP4QlEAFgUGxyflaqfm\n"             \
	"-----END RSA PRIVATE KEY-----\n"
#define FUZZ_RSA_PUBLIC                                                      \
	"-----BEGIN RSA PUBLIC KEY-----\n"                                   \
	"MIIBCgKCAQEA0zgv5PRfyW3fx62lTlHcNt6XSrYCiNTmdXli/iPSxDgUOPc9pqy0\n" \
	"1tFd9fV8QdFJqGjgExCJsJeptIAqtgZvdS5Mu6HCwnJT9dDALUId0TLl45XxSCaF\n" \
	"E1c1keNyXa5hNARQHAe3YDTc6UylW3Q4BLz9mTRmWicdLHGu1jLDZe1n07ZlxWTV\n" \
	"/4HSVxHoAdn65N5kii0tQeijobNQNcF4H42xv2GFIQxqk2gkfZFZqRBbQHIL+Yq5\n" \
	"V9jQlcVCTQYptgOlbPeUpmj/CNLYXypuCtkQCZ86xhWEM8c7e0CjbXKmbetIru1w\n" \
	"LLk51mfa+0+TtlAhkpM4Jrem2BO3mFi+4QIDAQAB\n"                         \
	"-----END RSA PUBLIC KEY-----\n"
