#!/bin/bash
# Installs what the real suites talk to, on Debian 12, as root: Postfix, Exim, Dovecot and small tools. Starts nothing.
# Exim's package conflicts with Postfix's, the programs do not: Exim is unpacked beside it. Running it again costs little.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
root=$(cd "$(dirname "$0")/../../.." && pwd)
packages=(postfix postfix-pcre dovecot-imapd dovecot-lmtpd swaks logwatch libmail-dkim-perl prometheus strace postgrey redis-server)
packages+=(clamav-daemon clamdscan redis-server rbldnsd bind9-dnsutils e2fsprogs util-linux)
packages+=(spamassassin spamd amavisd-new opendkim python3-yaml openssl)
# What makes the archives of the zoo.
packages+=(arj dosfstools exfatprogs fdisk gcab genisoimage jlha-utils lz4 lzip mtools ncompress ntfs-3g qemu-utils wimtools)
packages+=(zip p7zip-full cpio pax rpm binutils python3 gzip bzip2 xz-utils zstd)
# Makers and readers of documents.
packages+=(qpdf wixl msitools tnef libreoffice-writer-nogui)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ -x /usr/sbin/exim4 ] && /usr/sbin/exim4 -C /dev/null -bV >/dev/null 2>&1 && exim=yes || exim=no

if [ ${#missing[@]} -gt 0 ] || [ $exim = no ]; then
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get -qq update
fi
if [ ${#missing[@]} -gt 0 ]; then
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ $exim = no ]; then
  libraries=$(apt-cache depends exim4-daemon-heavy | awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }')
  # shellcheck disable=SC2086 # a list
  apt-get -qq install -y --no-install-recommends $libraries >/dev/null
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && apt-get -qq download exim4-daemon-heavy 2>/dev/null && dpkg -x exim4-daemon-heavy_*.deb .)
  install -m 755 "$work/usr/sbin/exim4" /usr/sbin/exim4 # Exim starts itself anew from there
  rm -rf "$work"
fi
id Debian-exim >/dev/null 2>&1 || useradd -r -M -s /usr/sbin/nologin Debian-exim
# The users of the units; systemd-sysusers knows deploy's own file, but needs no systemd to be here.
systemd-sysusers "$root/deploy/sysusers.d/postern.conf" 2>/dev/null || true
id postern >/dev/null 2>&1 || useradd -r -M -U -s /usr/sbin/nologin postern
id vmail >/dev/null 2>&1 || useradd -r -M -U -s /usr/sbin/nologin vmail
id -nG vmail | grep -qw postern || usermod -aG postern vmail

/usr/sbin/exim4 -C /dev/null -bV | head -n 1
postconf mail_version
dovecot --version
