// Every kind of defect that reading a message can report. The documentation's table is generated from this list, so each
// kind has one sentence. Used by the header and MIME readers here and by content/ for what it finds inside the parts.
import type { Defect, DefectClass } from "./message.ts";

interface Kind {
  readonly class: DefectClass;
  readonly meaning: string;
}

const kind =
  (of: DefectClass) =>
  (meaning: string): Kind => ({ class: of, meaning });
const ambiguous = kind("ambiguous");
const fault = kind("fault");
const limit = kind("limit");
const unreadable = kind("unreadable");
const encrypted = kind("encrypted");

/** All kinds by name. */
export const DEFECTS = {
  // The header block.
  "nul-in-header": ambiguous("The header holds a NUL, at which some readers stop."),
  "bare-cr-in-header": ambiguous(
    "The header holds a CR without LF, which some readers take for a line end.",
  ),
  "eight-bit-field-name": ambiguous("A header field's name holds octets outside ASCII."),
  "space-before-colon": fault("White space stands between a header field's name and its colon."),
  "space-before-colon-mime": ambiguous(
    "White space stands before the colon of a MIME field, which some readers then ignore.",
  ),
  "mbox-line": fault("The header starts with a From line of the mbox format."),
  "not-a-field": fault("A line of the header is neither a field nor a continuation."),
  "white-line-in-header": fault("A line of the header holds only white space."),
  "mime-field-in-garbage": ambiguous(
    "A line that is no field starts like a MIME field; some readers take it for one.",
  ),
  "mime-field-after-garbage": ambiguous(
    "A MIME field follows a line at which some readers end the header.",
  ),
  "header-too-large": ambiguous(
    "The header is longer than the limit; the rest was not read as header.",
  ),
  "too-many-fields": ambiguous("The header has more fields than the limit; the rest was not read."),
  "overlong-field": ambiguous("A MIME field is longer than the limit; only its start was read."),
  // MIME fields.
  "repeated-mime-field": fault("A MIME field stands more than once, with the same meaning."),
  "conflicting-content-type": ambiguous("Several Content-Type fields say different things."),
  "conflicting-transfer-encoding": ambiguous("Several Content-Transfer-Encoding fields differ."),
  "conflicting-disposition": ambiguous("Several Content-Disposition fields say different things."),
  "conflicting-mime-version": ambiguous("Several MIME-Version fields say different things."),
  "bad-content-type": fault("The Content-Type is no type/subtype; the part is read as text/plain."),
  "bad-multipart-type": ambiguous(
    "The Content-Type is no type/subtype but has a boundary or starts like a multipart or a message; some readers see parts.",
  ),
  "odd-media-type": fault("White space stands within a media type."),
  "stray-boundary": fault("A part that is no multipart has a boundary; it was not split."),
  "comment-in-mime-value": ambiguous("A comment stands inside a media type or transfer encoding."),
  "unknown-transfer-encoding": ambiguous(
    "The transfer encoding is unknown; the octets were read as they stand.",
  ),
  "odd-transfer-encoding": fault("The transfer encoding is misspelt, its meaning is plain."),
  "encoded-multipart": ambiguous(
    "A multipart declares base64 or quoted-printable; it was read as it stands.",
  ),
  "encoded-message": ambiguous(
    "A message/rfc822 declares base64 or quoted-printable; it was decoded and read.",
  ),
  "missing-boundary": ambiguous("A multipart has no boundary or an empty one; it was not split."),
  "conflicting-boundary": ambiguous("The boundary parameter has several readings."),
  "odd-boundary": fault(
    "The boundary is longer than 70 octets or has characters that RFC 2046 forbids.",
  ),
  "overlong-boundary": ambiguous(
    "The boundary is longer than any reader supports; the part was not split.",
  ),
  "conflicting-names": ambiguous("The readings of one file name end in different extensions."),
  "unknown-message-type": ambiguous(
    "A part of an unknown type below message/; some readers open it as a message.",
  ),
  "message-partial": ambiguous("A fragment of a message that only the reader puts together."),
  "external-body": ambiguous("The content lies elsewhere and is fetched by the reader."),
  // The structure.
  "missing-first-boundary": ambiguous(
    "The multipart's boundary never comes; its content was not split.",
  ),
  "missing-end-boundary": fault("The message ends before the multipart's end boundary."),
  "unclosed-multipart": ambiguous(
    "An outer boundary comes before the inner multipart's end boundary.",
  ),
  "boundary-after-end": ambiguous("Another part follows the multipart's end boundary."),
  "boundary-with-junk": ambiguous("A line starts with the boundary and goes on with other text."),
  "reused-boundary": ambiguous("A nested multipart uses the boundary of one around it."),
  "boundary-within-boundary": fault(
    "The boundary of a multipart starts with the boundary of one around it, or the other way round.",
  ),
  "bare-cr-before-boundary": ambiguous(
    "A boundary stands behind a CR without LF, which some readers take for a line end.",
  ),
  "header-cut-by-boundary": fault(
    "A boundary comes before the empty line that ends a part's header.",
  ),
  "too-many-parts": ambiguous("The message has more parts than the limit; the rest was not read."),
  "too-deep": ambiguous(
    "The parts are nested deeper than the limit; the inner ones were not read.",
  ),
  // Transfer encodings.
  "base64-junk": fault("The base64 holds characters outside its alphabet; they were skipped."),
  "base64-after-padding": ambiguous("Base64 goes on after its padding; some readers stop there."),
  "base64-truncated": fault("The base64 ends in the middle of a group."),
  "quoted-printable-junk": fault("The quoted-printable text holds a stray equals sign."),
  // Inside parts.
  "uuencode-truncated": fault("A uuencoded file in the text has no end line."),
  "yenc-truncated": fault("A yEnc file in the text has no end line."),
  "binhex-broken": fault("A BinHex file in the text is damaged or has no end."),
  "file-in-pieces": ambiguous(
    "A file in the text is one piece of several that only the reader puts together.",
  ),
  "too-many-readings": limit(
    "The other readings of an ambiguous message came to more parts than the limit; the rest were not read.",
  ),
  "nul-in-text": fault("A text holds NULs, which some readers drop."),
  "wide-charset": fault("A text is in UTF-7, UTF-16 or UTF-32, where octets hide what is shown."),
  // Containers: archives, compressed files, documents.
  "container-too-deep": limit("Containers are nested deeper than the limit."),
  "container-too-many-members": limit("The containers have more members than the limit."),
  "container-too-large": limit("The members expand to more octets than the limit."),
  "container-too-slow": limit("Reading the containers took longer than the limit."),
  "container-broken": unreadable("The container is damaged; what follows the damage was not read."),
  "container-unsupported": unreadable("The container uses a format or method that is not read."),
  "container-encrypted": encrypted("The container or its member opens only with a password."),
  "container-split": unreadable("The container is one piece of several."),
  "container-names-differ": ambiguous(
    "A member has different names in two places of the container.",
  ),
  "container-hidden-member": ambiguous("The container holds a member that only some readers list."),
  "container-headers-differ": ambiguous(
    "Two headers of a member differ in its size, method or encryption.",
  ),
  "container-overlap": ambiguous("Members of the container share octets, as in zip bombs."),
  "container-trailing-data": fault("Octets follow the container's end."),
} as const satisfies Record<string, Kind>;

export type DefectKind = keyof typeof DEFECTS;

/** A defect of this kind; `detail` is cut and freed of anything but printable ASCII. */
export function defect(kind: DefectKind, detail = ""): Defect {
  return {
    kind,
    class: DEFECTS[kind].class,
    detail: detail === "" ? "" : printable(detail),
  };
}

function printable(text: string): string {
  const shown = text.slice(0, 120).replace(/[^\x20-\x7e]/g, "?");
  return text.length > 120 ? `${shown}...` : shown;
}
