/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/metadata.h"

/*
 * The standard scripts of an image: spec deffile.md 9, runtime.md 3 to 5. Plain POSIX shell. The
 * environment scripts are sourced by whatever runs the image, an interpreter that is no shell
 * among them, so they are kept simple; the actions are for starting by hand.
 */

#define SOURCE_ENVIRONMENT                             \
	"for script in /.singularity.d/env/*.sh; do\n" \
	"\tif [ -f \"$script\" ]; then\n"              \
	"\t\t. \"$script\"\n"                          \
	"\tfi\n"                                       \
	"done\n"

/* Hands over to the script of the chosen application, if one is chosen. */
#define APPLICATION(name, missing)                                             \
	"if [ -n \"${SINGULARITY_APPNAME:-}\" ]; then\n"                       \
	"\tapp=\"/scif/apps/$SINGULARITY_APPNAME/scif/" name "\"\n"            \
	"\tif [ -x \"$app\" ]; then\n"                                         \
	"\t\texec \"$app\" \"$@\"\n"                                           \
	"\tfi\n"                                                               \
	"\techo \"" missing " for contained app: $SINGULARITY_APPNAME\" >&2\n" \
	"\texit 1\n"                                                           \
	"fi\n"

const struct standard_script standard_scripts[] = {
	{ "/.singularity.d/actions/exec",
	  "#!/bin/sh\n"
	  "# Runs a command in the environment of this image.\n" SOURCE_ENVIRONMENT
	  "exec \"$@\"\n" },
	{ "/.singularity.d/actions/run",
	  "#!/bin/sh\n"
	  "# Runs the runscript in the environment of this image.\n" SOURCE_ENVIRONMENT APPLICATION(
		  "runscript",
		  "No runscript") "if [ -x /.singularity.d/runscript ]; then\n"
				  "\texec /.singularity.d/runscript \"$@\"\n"
				  "fi\n"
				  "echo 'No runscript found in container, executing /bin/sh' >&2\n"
				  "exec /bin/sh \"$@\"\n" },
	{ "/.singularity.d/actions/shell",
	  "#!/bin/sh\n"
	  "# Runs a shell in the environment of this image.\n" SOURCE_ENVIRONMENT
	  "if [ -n \"${SINGULARITY_SHELL:-}\" ] && [ -x \"$SINGULARITY_SHELL\" ]; then\n"
	  "\texec \"$SINGULARITY_SHELL\" \"$@\"\n"
	  "fi\n"
	  "if [ -x /bin/bash ]; then\n"
	  "\tSHELL=/bin/bash\n"
	  "\tPS1=\"Apptainer ${APPTAINER_NAME:-}:\\\\w> \"\n"
	  "\texport SHELL PS1\n"
	  "\texec /bin/bash --norc \"$@\"\n"
	  "fi\n"
	  "SHELL=/bin/sh\n"
	  "export SHELL\n"
	  "exec /bin/sh \"$@\"\n" },
	{ "/.singularity.d/actions/start",
	  "#!/bin/sh\n"
	  "# Runs the startscript of an instance.\n" SOURCE_ENVIRONMENT
	  "kill -CONT 1\n" APPLICATION(
		  "startscript", "No startscript") "if [ -x /.singularity.d/startscript ]; then\n"
						   "\texec /.singularity.d/startscript \"$@\"\n"
						   "fi\n" },
	{ "/.singularity.d/actions/test",
	  "#!/bin/sh\n"
	  "# Runs the test of this image in its environment.\n" SOURCE_ENVIRONMENT APPLICATION(
		  "test",
		  "No tests") "if [ -x /.singularity.d/test ]; then\n"
			      "\texec /.singularity.d/test \"$@\"\n"
			      "fi\n"
			      "echo 'No test found in container, executing /bin/sh -c true' >&2\n"
			      "exec /bin/sh -c true\n" },
	{ "/.singularity.d/env/01-base.sh",
	  "#!/bin/sh\n"
	  "# The beginning of the environment. Nothing is set here.\n" },
	{ "/.singularity.d/env/90-environment.sh",
	  "#!/bin/sh\n"
	  "# The environment of this image: what its definition says follows.\n" },
	{ "/.singularity.d/env/94-appsbase.sh", "" },
	{ "/.singularity.d/env/95-apps.sh",
	  "#!/bin/sh\n"
	  "# The environment of the application chosen with --app.\n"
	  "if [ -n \"${SINGULARITY_APPNAME:-}\" ]; then\n"
	  "\tif [ ! -d \"/scif/apps/$SINGULARITY_APPNAME\" ]; then\n"
	  "\t\techo \"Could not locate the container application: $SINGULARITY_APPNAME\"\n"
	  "\t\texit 1\n"
	  "\tfi\n"
	  "\tSCIF_APPS=/scif/apps\n"
	  "\tSCIF_APPROOT=\"/scif/apps/$SINGULARITY_APPNAME\"\n"
	  "\texport SCIF_APPS SCIF_APPROOT\n"
	  "\tPATH=\"$SCIF_APPROOT:/scif/apps/singularity:$PATH\"\n"
	  "\tif [ -d \"$SCIF_APPROOT/bin\" ]; then\n"
	  "\t\tPATH=\"$SCIF_APPROOT/bin:$PATH\"\n"
	  "\tfi\n"
	  "\texport PATH\n"
	  "\tif [ -d \"$SCIF_APPROOT/lib\" ]; then\n"
	  "\t\tLD_LIBRARY_PATH=\"$SCIF_APPROOT/lib:${LD_LIBRARY_PATH:-}\"\n"
	  "\t\texport LD_LIBRARY_PATH\n"
	  "\tfi\n"
	  "\tif [ -f \"$SCIF_APPROOT/scif/env/01-base.sh\" ]; then\n"
	  "\t\t. \"$SCIF_APPROOT/scif/env/01-base.sh\"\n"
	  "\tfi\n"
	  "\tif [ -f \"$SCIF_APPROOT/scif/env/90-environment.sh\" ]; then\n"
	  "\t\t. \"$SCIF_APPROOT/scif/env/90-environment.sh\"\n"
	  "\tfi\n"
	  "fi\n" },
	{ "/.singularity.d/env/99-base.sh",
	  "#!/bin/sh\n"
	  "# The end of the environment: where host libraries are found, and the prompt.\n"
	  "if [ -n \"${LD_LIBRARY_PATH:-}\" ]; then\n"
	  "\tLD_LIBRARY_PATH=\"$LD_LIBRARY_PATH:/.singularity.d/libs\"\n"
	  "else\n"
	  "\tLD_LIBRARY_PATH=/.singularity.d/libs\n"
	  "fi\n"
	  "if [ -z \"${PS1:-}\" ]; then\n"
	  "\tPS1='Apptainer> '\n"
	  "fi\n"
	  "export LD_LIBRARY_PATH PS1\n" },
	{ "/.singularity.d/env/99-runtimevars.sh",
	  "#!/bin/sh\n"
	  "# The search path that the user asked for when the container was started.\n"
	  "if [ -n \"${SING_USER_DEFINED_PATH:-}\" ]; then\n"
	  "\tPATH=\"$SING_USER_DEFINED_PATH\"\n"
	  "else\n"
	  "\tif [ -n \"${SING_USER_DEFINED_PREPEND_PATH:-}\" ]; then\n"
	  "\t\tPATH=\"$SING_USER_DEFINED_PREPEND_PATH:$PATH\"\n"
	  "\tfi\n"
	  "\tif [ -n \"${SING_USER_DEFINED_APPEND_PATH:-}\" ]; then\n"
	  "\t\tPATH=\"$PATH:$SING_USER_DEFINED_APPEND_PATH\"\n"
	  "\tfi\n"
	  "fi\n"
	  "unset SING_USER_DEFINED_PATH SING_USER_DEFINED_PREPEND_PATH "
	  "SING_USER_DEFINED_APPEND_PATH\n"
	  "export PATH\n" },
	{ "/.singularity.d/runscript",
	  "#!/bin/sh\n"
	  "echo 'There is no runscript defined for this container'\n" },
	{ "/.singularity.d/startscript", "#!/bin/sh\n"
					 "# Nothing is started.\n" },
	{ NULL, NULL },
};
