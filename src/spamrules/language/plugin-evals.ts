// Which plugin of SpamAssassin 4.0 knows which eval function, and on what a rule must be declared to call it; and what each says it can
// do (`if can(…)`). Names are facts of its rule language; plugins.ts looks them up.
import type { EvalTable } from "./plugins.ts";

/** By plugin, without "Mail::SpamAssassin::Plugin::". A function under "any" may be declared on anything. */
export const EVALS_OF: EvalTable = {
  ASN: { header: "check_asn" },
  AWL: { header: "check_from_in_auto_welcomelist check_from_in_auto_whitelist" },
  AccessDB: { header: "check_access_database" },
  AntiVirus: { body: "check_microsoft_executable check_suspect_name" },
  AuthRes: { header: "check_authres_result" },
  Bayes: { body: "check_bayes" },
  BodyEval: {
    body: `check_blank_line_ratio check_body_length check_stock_info multipart_alternative_difference
      multipart_alternative_difference_count plaintext_body_length plaintext_body_sig_ratio plaintext_sig_length
      tvd_vertical_words`,
  },
  DCC: { full: "check_dcc check_dcc_reputation_range" },
  DKIM: {
    full: `check_arc_signed check_arc_valid check_dkim_dependable check_dkim_signed check_dkim_valid
      check_dkim_valid_author_sig check_dkim_valid_envelopefrom`,
    header: `check_dkim_adsp check_dkim_testing check_for_def_dkim_welcomelist_from check_for_def_dkim_whitelist_from
      check_for_dkim_welcomelist_from check_for_dkim_whitelist_from`,
    any: "check_dkim_signall check_dkim_signsome check_dkim_verified",
  },
  DMARC: {
    header: `check_dmarc_missing check_dmarc_none check_dmarc_pass check_dmarc_quarantine check_dmarc_reject`,
  },
  DNSEval: {
    rbl: `check_dns_sender check_rbl check_rbl_accreditor check_rbl_envfrom check_rbl_from_domain check_rbl_from_host
      check_rbl_headers check_rbl_ns_from check_rbl_rcvd check_rbl_sub check_rbl_txt`,
  },
  DecodeShortURLs: {
    body: `short_url short_url_200 short_url_404 short_url_chained short_url_code short_url_loop short_url_maxchain
      short_url_redir`,
    any: "short_url_tests",
  },
  FreeMail: {
    header: "check_freemail_body check_freemail_from check_freemail_header check_freemail_replyto",
  },
  FromNameSpoof: {
    header: `check_fromname_contains_email check_fromname_different check_fromname_domain_differ
      check_fromname_equals_replyto check_fromname_equals_to check_fromname_owners_differ check_fromname_spoof`,
  },
  HTMLEval: {
    body: `check_iframe_src html_charset_faraway html_eval html_image_only html_image_ratio html_range html_tag_balance
      html_tag_exists html_test html_text_match html_text_not_match html_title_subject_ratio`,
  },
  HTTPSMismatch: { body: "check_https_http_mismatch" },
  HashBL: {
    body: "check_hashbl_attachments check_hashbl_bodyre",
    header: "check_hashbl_emails check_hashbl_tag check_hashbl_uris",
  },
  HeaderEval: {
    header: `check_equal_from_domains check_for_fake_aol_relay_in_rcvd check_for_faraway_charset_in_headers
      check_for_forged_eudoramail_received_headers check_for_forged_gmail_received_headers
      check_for_forged_gw05_received_headers check_for_forged_hotmail_received_headers
      check_for_forged_juno_received_headers check_for_forged_yahoo_received_headers
      check_for_matching_env_and_hdr_from check_for_missing_to_header check_for_msn_groups_headers
      check_for_no_hotmail_received_headers check_for_shifted_date check_for_to_in_subject
      check_for_unique_subject_id check_header_count_range check_illegal_chars check_messageid_not_usable
      check_outlook_message_id check_ratware_envelope_from check_ratware_name_id check_unresolved_template
      gated_through_received_hdr_remover received_within_months similar_recipients sorted_recipients
      subject_is_all_caps`,
  },
  ImageInfo: {
    body: `image_count image_name_regex image_named image_size_exact image_size_range image_to_text_ratio pixel_coverage`,
  },
  MIMEEval: {
    body: `check_abundant_unicode_ratio check_base64_length check_for_ascii_text_illegal check_for_faraway_charset
      check_for_mime check_for_mime_html check_for_mime_html_only check_for_uppercase check_ma_non_text
      check_mime_multipart_ratio check_qp_ratio`,
    any: "check_msg_parse_flags",
  },
  OLEVBMacro: {
    body: `check_olemacro check_olemacro_csv check_olemacro_download_exe check_olemacro_encrypted check_olemacro_malice
      check_olemacro_mhtml_uri check_olemacro_redirect_uri check_olemacro_renamed check_olemacro_zip_password
      check_oleobject check_olertfobject`,
  },
  PDFInfo: {
    body: `pdf_count pdf_image_count pdf_image_size_exact pdf_image_size_range pdf_image_to_text_ratio pdf_is_empty_body
      pdf_is_encrypted pdf_match_details pdf_match_fuzzy_md5 pdf_match_md5 pdf_name_regex pdf_named
      pdf_pixel_coverage`,
  },
  Phishing: { body: "check_phishing" },
  Pyzor: { full: "check_pyzor" },
  Razor2: { full: "check_razor2 check_razor2_range" },
  RelayEval: {
    any: `check_all_trusted check_for_forged_received_ip_helo check_for_forged_received_trail check_for_illegal_ip
      check_for_no_rdns_dotcom_helo check_for_numeric_helo check_for_sender_no_reverse check_no_relays
      check_relays_unparseable helo_ip_mismatch`,
    header: "check_for_from_domain_in_received_headers",
  },
  SPF: {
    header: `check_for_def_spf_welcomelist_from check_for_def_spf_whitelist_from check_for_spf_fail check_for_spf_helo_fail
      check_for_spf_helo_neutral check_for_spf_helo_none check_for_spf_helo_pass check_for_spf_helo_permerror
      check_for_spf_helo_softfail check_for_spf_helo_temperror check_for_spf_neutral check_for_spf_none
      check_for_spf_pass check_for_spf_permerror check_for_spf_softfail check_for_spf_temperror
      check_for_spf_welcomelist_from check_for_spf_whitelist_from check_spf_skipped_noenvfrom`,
  },
  Shortcircuit: { any: "check_shortcircuit" },
  TextCat: { body: "check_body_8bits", any: "check_language" },
  Test: { any: "check_test_plugin test_feature_xxxx_false" },
  TxRep: { header: "check_senders_reputation" },
  URIDNSBL: { any: "check_uridnsbl" },
  URIDetail: { any: "check_uri_detail" },
  URIEval: { any: "check_for_http_redirector check_https_ip_mismatch check_uri_truncated" },
  URILocalBL: { any: "check_uri_local_bl" },
  VBounce: {
    any: "check_welcomelist_bounce_relays check_whitelist_bounce_relays have_any_bounce_relays",
  },
  WLBLEval: {
    header: `check_forged_in_default_welcomelist check_forged_in_default_whitelist check_forged_in_welcomelist
      check_forged_in_whitelist check_from_in_blacklist check_from_in_blocklist check_from_in_default_welcomelist
      check_from_in_default_whitelist check_from_in_list check_from_in_welcomelist check_from_in_whitelist
      check_mailfrom_matches_rcvd check_replyto_in_list check_to_in_all_spam check_to_in_blacklist
      check_to_in_blocklist check_to_in_list check_to_in_more_spam check_to_in_welcomelist check_to_in_whitelist
      check_uri_host_listed`,
    any: `check_uri_host_in_blacklist check_uri_host_in_blocklist check_uri_host_in_welcomelist
      check_uri_host_in_whitelist`,
  },
  WelcomeListSubject: {
    header: `check_subject_in_blacklist check_subject_in_blocklist check_subject_in_welcomelist check_subject_in_whitelist`,
  },
};

/** What `can(PLUGIN::NAME)` and `has(PLUGIN::NAME)` find. */
export const FEATURES_OF: Readonly<Record<string, string>> = {
  ASN: "has_asn_geodb has_asn_lookup_ipv6 has_check_asn has_check_asn_tag",
  AskDNS: "has_tag_header",
  BodyEval: "has_check_body_length has_plaintext_body_sig_ratio",
  DKIM: "has_arc",
  DNSEval: "has_tflags_domains_only has_tflags_ips_only",
  DecodeShortURLs: `has_autoclean has_clear has_get has_max_redirections has_short_url has_short_url_code has_short_url_redir
    has_timeout has_user_agent`,
  HashBL: `has_hashbl_attachments has_hashbl_bodyre has_hashbl_bodyre_num has_hashbl_email_domain
    has_hashbl_email_domain_alias has_hashbl_email_regex has_hashbl_email_welcomelist has_hashbl_email_whitelist
    has_hashbl_emails has_hashbl_ignore has_hashbl_sha256 has_hashbl_tag has_hashbl_uris`,
  MIMEEval: "has_check_abundant_unicode_ratio has_check_for_ascii_text_illegal has_check_qp_ratio",
  MIMEHeader:
    "has_all_header has_capture_rules has_tflags_concat has_tflags_multiple has_tflags_range",
  OLEVBMacro: "has_olemacro_mhtml_uri has_olemacro_redirect_uri has_olertfobject",
  Pyzor: "has_fork has_perl",
  Razor2: "has_fork",
  SPF: "has_check_for_spf_errors has_check_spf_skipped_noenvfrom",
  Test: "test_feature_xxxx_true",
  URIDNSBL: `has_subtest_for_ranges has_tflags_domains_only has_tflags_notrim has_uridnsbl_a_ns has_uridnsbl_for_a
    has_uridnsbl_skip_mailto`,
  URIDetail: "has_host_key",
};

/** The same of the core, Mail::SpamAssassin::Conf. */
export const CORE_FEATURES = `feature_originating_ip_headers feature_dns_local_ports_permit_avoid feature_bayes_auto_learn_on_error
  feature_uri_host_listed feature_yesno_takes_args feature_bug6558_free feature_edns
  feature_dns_query_restriction feature_registryboundaries feature_geodb feature_dns_block_rule
  feature_compile_regexp feature_meta_rules_matching feature_subjprefix feature_bayes_stopwords feature_get_host
  feature_blocklist_welcomelist feature_welcomelist_blocklist feature_header_address_parser
  feature_local_tests_only feature_header_first_last feature_header_match_many feature_capture_rules
  has_tflags_nosubject has_tflags_nolog perl_min_version_5010000`;
