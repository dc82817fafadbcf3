// Disk images: raw ones (.img), VHD and VHDX, which Windows opens on a click. Finds the volumes on them and reads those of FAT and NTFS;
// others are told as not read.
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import { fatMembers, isFat } from "./fat.ts";
import { isNtfs, ntfsMembers } from "./ntfs.ts";
import type { Octets } from "./octets.ts";
import { volumesOf } from "./partitions.ts";
import { vhdDisk } from "./vhd.ts";
import { vhdxDisk } from "./vhdx.ts";

const MAX_VOLUMES = 32;

export const disk: Format = {
  name: "disk",
  kinds: ["img", "vhd", "vhdx"],
  extensions: ["img", "ima", "vhd", "vhdx"],
  *members(file, report) {
    const image = vhdxDisk(file) ?? vhdDisk(file) ?? file;
    let volumes = 0;
    for (const volume of volumesOf(image)) {
      if (++volumes > MAX_VOLUMES)
        throw new Broken("disk: too many volumes", "container-too-many-members");
      yield* membersOf(volume, report);
    }
    if (volumes === 0) throw new Broken("disk: no volume", "container-unsupported");
  },
};

function* membersOf(volume: Octets, report: Report): Generator<Member> {
  if (isFat(volume)) yield* fatMembers(volume);
  else if (isNtfs(volume)) yield* ntfsMembers(volume);
  else report.defect("container-unsupported", "a volume that is neither FAT nor NTFS");
}
