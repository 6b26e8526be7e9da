# ZooKeeper (Debian 3.8.0, OpenJDK 17): setData on one znode; forceSync=yes is its default
up() {
    needs zookeeper openjdk-17-jre-headless
    build lg_zk lg_zk.c
    export LG_WARM=${ZK_WARM:-6}                     # the JIT needs it
    for i in 1 2 3; do
        mkdir -p "$D/$i/conf"; echo $i > "$D/$i/myid"
        printf '%s\n' tickTime=2000 initLimit=10 syncLimit=5 dataDir=$D/$i clientPort=771$i \
            clientPortAddress=127.0.0.1 admin.enableServer=false 4lw.commands.whitelist=srvr \
            server.1=127.0.0.1:7721:7731 server.2=127.0.0.1:7722:7732 server.3=127.0.0.1:7723:7733 $ZKCFG \
            >"$D/$i/conf/zoo.cfg"
        printf '%s\n' 'log4j.rootLogger=WARN, A' log4j.appender.A=org.apache.log4j.ConsoleAppender \
            log4j.appender.A.layout=org.apache.log4j.SimpleLayout >"$D/$i/conf/log4j.properties"
        spawn "$D/log$i" java -Xmx1g $ZKJAVA -Dzookeeper.jmx.log4j.disable=true \
            -cp "$D/$i/conf:/usr/share/java/zookeeper.jar" \
            org.apache.zookeeper.server.quorum.QuorumPeerMain "$D/$i/conf/zoo.cfg"
    done
    until_ok zk_leader; zk_leader; LEADER=${PIDS[L-1]}; sleep 1
}
zk_leader() { for i in 1 2 3; do zk_mode $i | grep -q leader && L=$i && return 0; done; return 1; }
zk_mode() { exec 3<>/dev/tcp/127.0.0.1/771$1 && echo srvr >&3 && timeout 1 cat <&3; exec 3>&-; }
load() {
    case $L in 1) p="7711 7712 7713";; 2) p="7712 7713 7711";; 3) p="7713 7711 7712";; esac
    timeout $((SECS + 60)) bin/lg_zk $p
}
