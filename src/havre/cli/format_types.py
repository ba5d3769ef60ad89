"""The types Docker's client gives the objects that templates look at: which fields they have, in which order.

Scripts depend on what follows from them: a field the daemon left out is an empty string or 0 and not ``<no value>``,
a missing label is "", a misspelt field is an error. Each type lists its fields as ``Name`` or ``Name=JSONName``, and
after the colon what it holds:

    s string   i integer   b boolean   t time   d duration   any whatever comes   (nothing: s)
    [x list of x   {x map of string to x   *x pointer to x   _ empty struct   another type's name
    &x type x embedded: its fields are this one's too
    x? not shown by ``json`` when it is empty   x! shown even when it is not there

Source: the Go types of the Engine API 1.51 as the docker CLI 28 uses them.
"""

from __future__ import annotations

_CLIENT = """
Platform:*types.platformInfo Version APIVersion=ApiVersion DefaultAPIVersion GitCommit GoVersion Os Arch BuildTime
Context
"""

TYPES: dict[str, str] = {
    "container.InspectResponse": """
ID=Id Created Path Args:[s State:*container.State Image ResolvConfPath HostnamePath HostsPath LogPath Name
RestartCount:i Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs:[s HostConfig:*container.HostConfig
GraphDriver:storage.DriverData SizeRw:*i SizeRootFs:*i Mounts:[container.MountPoint Config:*container.Config
NetworkSettings:*container.NetworkSettings ImageManifestDescriptor:*v1.Descriptor
""",
    "container.State": """
Status Running:b Paused:b Restarting:b OOMKilled:b Dead:b Pid:i ExitCode:i Error StartedAt FinishedAt
Health:*container.Health
""",
    "container.Health": "Status FailingStreak:i Log:[*container.HealthcheckResult",
    "container.HealthcheckResult": "Start:t End:t ExitCode:i Output",
    "container.MountPoint": "Type Name Source Destination Driver Mode RW:b Propagation",
    "container.Config": """
Hostname Domainname User AttachStdin:b AttachStdout:b AttachStderr:b ExposedPorts:{_ Tty:b OpenStdin:b StdinOnce:b
Env:[s Cmd:[s Healthcheck:*v1.HealthcheckConfig ArgsEscaped:b Image Volumes:{_ WorkingDir Entrypoint:[s
NetworkDisabled:b MacAddress OnBuild:[s Labels:{s StopSignal StopTimeout:*i Shell:[s
""",
    "v1.HealthcheckConfig": "Test:[s Interval:d Timeout:d StartPeriod:d StartInterval:d Retries:i",
    "container.HostConfig": """
Binds:[s ContainerIDFile LogConfig:container.LogConfig NetworkMode PortBindings:{[nat.PortBinding
RestartPolicy:container.RestartPolicy AutoRemove:b VolumeDriver VolumesFrom:[s ConsoleSize:any Annotations:{s
CapAdd:[s CapDrop:[s CgroupnsMode DNS=Dns:[s DNSOptions=DnsOptions:[s DNSSearch=DnsSearch:[s ExtraHosts:[s GroupAdd:[s
IpcMode Cgroup Links:[s OomScoreAdj:i PidMode Privileged:b PublishAllPorts:b ReadonlyRootfs:b SecurityOpt:[s
StorageOpt:{s Tmpfs:{s UTSMode UsernsMode ShmSize:i Sysctls:{s Runtime Isolation Resources:&container.Resources
Mounts:[mount.Mount MaskedPaths:[s ReadonlyPaths:[s Init:*b
""",
    "container.Resources": """
CPUShares=CpuShares:i Memory:i NanoCPUs=NanoCpus:i CgroupParent BlkioWeight:i BlkioWeightDevice:[any
BlkioDeviceReadBps:[any BlkioDeviceWriteBps:[any BlkioDeviceReadIOps:[any BlkioDeviceWriteIOps:[any
CPUPeriod=CpuPeriod:i CPUQuota=CpuQuota:i CPURealtimePeriod=CpuRealtimePeriod:i
CPURealtimeRuntime=CpuRealtimeRuntime:i CpusetCpus CpusetMems Devices:[container.DeviceMapping DeviceCgroupRules:[s
DeviceRequests:[container.DeviceRequest KernelMemory:i KernelMemoryTCP:i MemoryReservation:i MemorySwap:i
MemorySwappiness:*i OomKillDisable:*b PidsLimit:*i Ulimits:[container.Ulimit CPUCount=CpuCount:i
CPUPercent=CpuPercent:i IOMaximumIOps:i IOMaximumBandwidth:i
""",
    "container.LogConfig": "Type Config:{s",
    "container.RestartPolicy": "Name MaximumRetryCount:i",
    "container.DeviceMapping": "PathOnHost PathInContainer CgroupPermissions",
    "container.DeviceRequest": "Driver Count:i DeviceIDs:[s Capabilities:any Options:{s",
    "container.Ulimit": "Name Hard:i Soft:i",
    "mount.Mount": """
Type Source Target ReadOnly:b Consistency BindOptions:any VolumeOptions:any ImageOptions:any TmpfsOptions:any
ClusterOptions:any
""",
    "nat.PortBinding": "HostIP=HostIp HostPort",
    "storage.DriverData": "Data:{s Name",
    "v1.Descriptor": """
MediaType=mediaType Digest=digest Size=size:i URLs=urls:[s Annotations=annotations:{s Data=data:any
Platform=platform:*v1.Platform ArtifactType=artifactType
""",
    "v1.Platform": """
Architecture=architecture OS=os OSVersion=os.version OSFeatures=os.features:[s Variant=variant
""",
    "container.NetworkSettings": """
NetworkSettingsBase:&container.NetworkSettingsBase DefaultNetworkSettings:&container.DefaultNetworkSettings
Networks:{*network.EndpointSettings
""",
    "container.NetworkSettingsBase": """
Bridge SandboxID SandboxKey Ports:{[nat.PortBinding HairpinMode:b LinkLocalIPv6Address LinkLocalIPv6PrefixLen:i
SecondaryIPAddresses:[any SecondaryIPv6Addresses:[any
""",
    "container.DefaultNetworkSettings": """
EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen:i IPAddress IPPrefixLen:i IPv6Gateway MacAddress
""",
    "network.EndpointSettings": """
IPAMConfig:*network.EndpointIPAMConfig Links:[s Aliases:[s MacAddress DriverOpts:{s GwPriority:i NetworkID EndpointID
Gateway IPAddress IPPrefixLen:i IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen:i DNSNames:[s
""",
    "network.EndpointIPAMConfig": "IPv4Address IPv6Address LinkLocalIPs:[s",
    "image.InspectResponse": """
ID=Id RepoTags:[s RepoDigests:[s Parent Comment Created DockerVersion Author Config:*v1.DockerOCIImageConfig
Architecture Variant Os OsVersion Size:i VirtualSize:i GraphDriver:storage.DriverData RootFS:image.RootFS
Metadata:image.Metadata Descriptor:*v1.Descriptor Manifests:any
""",
    "v1.DockerOCIImageConfig": """
ImageConfig:&v1.ImageConfig DockerOCIImageConfigExt:&v1.DockerOCIImageConfigExt
""",
    "v1.ImageConfig": """
User:s? ExposedPorts:{_? Env:[s? Entrypoint:[s? Cmd:[s? Volumes:{_? WorkingDir:s? Labels:{s? StopSignal:s?
ArgsEscaped:b?
""",
    "v1.DockerOCIImageConfigExt": "Healthcheck:*v1.HealthcheckConfig? OnBuild:[s? Shell:[s?",
    "image.RootFS": "Type Layers:[s",
    "image.Metadata": "LastTagTime:t",
    "network.Inspect": """
Name ID=Id Created:t Scope Driver EnableIPv4:b EnableIPv6:b IPAM:network.IPAM Internal:b Attachable:b Ingress:b
ConfigFrom:network.ConfigReference ConfigOnly:b Containers:{network.EndpointResource Options:{s Labels:{s Peers:any
Services:any
""",
    "network.IPAM": "Driver Options:{s Config:[network.IPAMConfig",
    "network.IPAMConfig": "Subnet IPRange Gateway AuxAddress=AuxiliaryAddresses:{s",
    "network.ConfigReference": "Network",
    "network.EndpointResource": "Name EndpointID MacAddress IPv4Address IPv6Address",
    "volume.Volume": """
ClusterVolume:*volume.ClusterVolume CreatedAt Driver Labels:{s Mountpoint Name Options:{s Scope Status:{any
UsageData:*volume.UsageData
""",
    "volume.ClusterVolume": "ID Spec:any PublishStatus:any Info:any",
    "volume.UsageData": "RefCount:i Size:i",
    "events.Message": """
Status=status ID=id From=from Type Action Actor:events.Actor Scope=scope Time=time:i TimeNano=timeNano:i
""",
    "events.Actor": "ID Attributes:{s!",
    "system.versionInfo": "Client:system.clientVersion Server:*types.Version",
    "system.clientVersion": _CLIENT,
    "types.platformInfo": "Name",
    "types.Version": """
Platform:types.platformInfo Components:[types.ComponentVersion Version APIVersion=ApiVersion MinAPIVersion GitCommit
GoVersion Os Arch KernelVersion:s? Experimental:b? BuildTime:s?
""",
    "types.ComponentVersion": "Name Version Details:{s",
    "system.dockerInfo": """
ID Containers:i ContainersRunning:i ContainersPaused:i ContainersStopped:i Images:i Driver DriverStatus:any
SystemStatus:any Plugins:system.PluginsInfo MemoryLimit:b SwapLimit:b KernelMemory:b KernelMemoryTCP:b
CPUCfsPeriod=CpuCfsPeriod:b CPUCfsQuota=CpuCfsQuota:b CPUShares:b CPUSet:b PidsLimit:b IPv4Forwarding:b Debug:b NFd:i
OomKillDisable:b NGoroutines:i SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener:i KernelVersion
OperatingSystem OSVersion OSType Architecture IndexServerAddress RegistryConfig:any NCPU:i MemTotal:i
GenericResources:any DockerRootDir HTTPProxy=HttpProxy HTTPSProxy=HttpsProxy NoProxy Name Labels:[s
ExperimentalBuild:b ServerVersion Runtimes:{system.Runtime DefaultRuntime Swarm:swarm.Info LiveRestoreEnabled:b
Isolation InitBinary ContainerdCommit:system.Commit RuncCommit:system.Commit InitCommit:system.Commit SecurityOptions:[s
ProductLicense DefaultAddressPools:[system.NetworkAddressPool FirewallBackend:any CDISpecDirs:[s DiscoveredDevices:any
Containerd:any Warnings:[s ServerErrors:[s ClientInfo:*system.clientInfo ClientErrors:[s
""",
    "swarm.Info": """
NodeID NodeAddr LocalNodeState ControlAvailable:b Error RemoteManagers:[any Nodes:i? Managers:i? Cluster:any?
Warnings:[s?
""",
    "system.PluginsInfo": "Volume:[s Network:[s Authorization:[s Log:[s",
    "system.Runtime": "Path=path Args=runtimeArgs:[s Status=status:{s",
    "system.Commit": "ID",
    "system.NetworkAddressPool": "Base Size:i",
    "system.sparseInfo": "ClientInfo:*system.clientInfo ClientErrors:[s",
    "system.clientInfo": f"Debug:b {_CLIENT} Plugins:any Warnings:[s",
}
