/* labels - the names of the image labels of the Platform specification that we write or read. */
#pragma once

#define LABEL_LIFECYCLE "io.buildpacks.lifecycle.metadata"
#define LABEL_BUILD     "io.buildpacks.build.metadata"
#define LABEL_PROJECT   "io.buildpacks.project.metadata"
