/*
 * sbom - gathers the software bills of material that buildpacks wrote.
 *
 * <layer>.sbom.<ext>, launch.sbom.<ext> and build.sbom.<ext> go to
 * <layers>/sbom/{launch,build,cache}/<buildpack>/[<layer>/]sbom.<ext>; the launch part
 * becomes a layer of the image.
 */
#pragma once

struct buildpack;
struct error;

int sbom_collect(const char *layers, const struct buildpack *buildpack,
                 const char *buildpack_layers, struct error *err);
/* What is always there, so that an SBOM layer exists. */
int sbom_finish(const char *layers, struct error *err);
