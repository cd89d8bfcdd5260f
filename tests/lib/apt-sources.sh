# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The machine's own Debian archive, for those that build systems with
# mmdebstrap.  To be sourced; needs nothing else.

# The suite of this machine: bookworm.
debian_suite() {
	# shellcheck disable=SC1091
	(. /etc/os-release && echo "$VERSION_CODENAME")
}

# The machine's own Debian sources, as lines for mmdebstrap; nothing when apt
# knows none.
debian_sources() {
	# shellcheck disable=SC2016
	apt-get indextargets --format \
		'$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
		'Created-By: Packages' |
	awk -F'|' -v suite="$(debian_suite)" '
		$1 == "Debian" && index($3, suite) == 1 &&
		$3 !~ /backports/ && $4 == "main" {
			print "deb", $2, $3, $4
		}' | sort -u
}

# A proxy that this machine's apt is told to use, as lines for --aptopt.
apt_proxies() {
	apt-config dump | grep -iE '^Acquire::[a-z]+::Proxy ' || :
}
