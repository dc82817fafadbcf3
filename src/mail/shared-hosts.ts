// Domains whose host names are given to customers: access providers, clouds, hosters. That such a name leads back to its address
// says who owns the network, not who sends. Looked up by organisation.ts; an operator adds more with [greylist] shared_hosts.

export const SHARED_HOSTS: readonly string[] = [
  // clouds and virtual servers
  ..."amazonaws.com googleusercontent.com azure.com cloudapp.net linode.com linodeusercontent.com members.linode.com".split(
    " ",
  ),
  ..."vultr.com vultrusercontent.com choopa.net digitalocean.com ovh.net ovh.ca ovh.us vps.ovh.net your-server.de".split(
    " ",
  ),
  ..."hetzner.com hetzner.de hetzner.cloud contabo.net contaboserver.net contabo.host stratoserver.net online.net".split(
    " ",
  ),
  ..."poneytelecom.eu scaleway.com upcloud.host upcloud.com leaseweb.com leaseweb.net colocrossing.com hostwindsdns.com".split(
    " ",
  ),
  ..."secureserver.net unifiedlayer.com websitewelcome.com hostgator.com bluehost.com dreamhost.com ionos.com".split(
    " ",
  ),
  ..."alibabacloud.com aliyun.com oraclecloud.com oraclevcn.com softlayer.com ibm.com kvmvps.net vps-host.net".split(
    " ",
  ),
  ..."ip-pool.com static.quadranet.com as13285.net psychz.net worldstream.nl serverius.net m247.com ramnode.com".split(
    " ",
  ),
  ..."buyvm.net frantech.ca nocix.net reliablesite.net cogentco.com gcore.lu selectel.ru timeweb.ru reg.ru masterhost.ru".split(
    " ",
  ),
  // access providers
  ..."comcast.net comcastbusiness.net verizon.net myvzw.com rr.com charter.com spectrum.com cox.net centurylink.net".split(
    " ",
  ),
  ..."qwest.net att.net sbcglobal.net bellsouth.net frontiernet.net windstream.net optonline.net earthlink.net".split(
    " ",
  ),
  ..."shawcable.net telus.net rogers.com bell.ca videotron.ca sasknet.sk.ca cogeco.net".split(" "),
  ..."t-ipconnect.de t-dialin.net vodafone-ip.de unitymediagroup.de kabel-deutschland.de arcor-ip.net telefonica.de".split(
    " ",
  ),
  ..."versatel.de ewe-ip-backbone.de mnet-online.de netcologne.de wanadoo.fr orange.fr proxad.net bbox.fr sfr.net".split(
    " ",
  ),
  ..."numericable.fr btcentralplus.com bt.com virginm.net virginmedia.com sky.com talktalk.net plus.net zen.co.uk".split(
    " ",
  ),
  ..."rima-tde.net ono.com jazztel.es telepac.pt netcabo.pt telecomitalia.it fastwebnet.it tiscali.it libero.it".split(
    " ",
  ),
  ..."interbusiness.it ziggo.nl kpn.net chello.nl upc.ch bluewin.ch sunrise.ch telenet.be skynet.be proximus.be".split(
    " ",
  ),
  ..."telia.com bredband.net bredbandsbolaget.se telenor.net get.no tdc.net dna.fi elisa-laajakaista.fi inet.fi".split(
    " ",
  ),
  ..."tpnet.pl neostrada.pl vectranet.pl upc.hu t-online.hu o2.cz upc.cz romtelecom.net rdsnet.ro rcs-rds.ro".split(
    " ",
  ),
  ..."ttnet.com.tr turktelekom.com.tr superonline.net otenet.gr forthnet.gr netvision.net.il bezeqint.net".split(
    " ",
  ),
  ..."ukrtel.net kyivstar.net volia.net corbina.ru beeline.ru mts.ru rt.ru rostelecom.ru megafon.ru ertelecom.ru".split(
    " ",
  ),
  ..."telesp.net.br virtua.com.br gvt.net.br veloxzone.com.br brasiltelecom.net.br telefonica.net.br claro.com.br".split(
    " ",
  ),
  ..."prod-infinitum.com.mx telmex.com telecom.net.ar speedy.com.ar fibertel.com.ar etb.net.co une.net.co movistar.cl".split(
    " ",
  ),
  ..."ocn.ne.jp plala.or.jp dion.ne.jp so-net.ne.jp bbtec.net kddi.com hinet.net seed.net.tw kornet.net krline.net".split(
    " ",
  ),
  ..."163data.com.cn chinanet.cn sdtele.com airtelbroadband.in airtel.in bsnl.in mtnl.net.in tatatel.co.in vnpt.vn".split(
    " ",
  ),
  ..."viettel.vn fpt.vn totbb.net 3bb.co.th true.co.th telkom.net.id telkom.co.id pldt.net globe.com.ph tm.net.my".split(
    " ",
  ),
  ..."bigpond.net.au optusnet.com.au iinet.net.au tpgi.com.au xtra.co.nz vodafone.co.nz telkomsa.net mweb.co.za".split(
    " ",
  ),
  ..."mtnbusiness.co.za maroctelecom.ma menara.ma tedata.net telecomegypt.com.eg stc.com.sa etisalat.ae".split(
    " ",
  ),
];
